"""A ReLU by itself, where no convolution is near that could take it along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import width_problem
from fbsearch.architecture.operators.operator import Operator, register


@register
@dataclass(frozen=True)
class Relu(Operator):
    """``max(x, 0)``: between the last cell and the classifier (NASNet, as released).

    >>> Relu(16, 16, 8).key
    'relu_c16-16_r8'
    """

    kind: ClassVar[str] = "relu"

    @property
    def has_weights(self) -> bool:
        """It learns nothing."""
        return False

    @property
    def label(self) -> str:
        """``ReLU``."""
        return "ReLU"

    def _problem(self) -> str | None:
        return width_problem(self.in_channels, self.out_channels)
