"""The skip of layer-wise spaces: the input itself, or a projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.key import STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator, register


@register
@dataclass(frozen=True)
class Skip(Operator):
    """The input itself, or a 1x1 projection with batch norm where the shape changes.

    Args:
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "skip"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (STRIDE,)

    stride: int = 1

    @property
    def is_identity(self) -> bool:
        """Where the shape stays."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def has_weights(self) -> bool:
        """Whether it is a convolution."""
        return not self.is_identity

    @property
    def num_weights(self) -> int:
        """Of the projection."""
        return 0 if self.is_identity else self.in_channels * self.out_channels

    @property
    def label(self) -> str:
        """``skip`` or ``projection``."""
        return "skip" if self.is_identity else "projection"
