"""The end of a network: from features to class scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.operator import Operator, register
from fbsearch.architecture.shape import Shape


@register
@dataclass(frozen=True)
class Classifier(Operator):
    """Global average pool and linear layer; ``out_channels`` is the number of classes."""

    kind: ClassVar[str] = "classifier"

    @property
    def output(self) -> Shape:
        """A vector of class scores."""
        return Shape(self.out_channels, 1, is_vector=True)

    @property
    def num_weights(self) -> int:
        """Of the linear layer."""
        return self.in_channels * self.out_channels

    @property
    def label(self) -> str:
        """``classifier``."""
        return "classifier"
