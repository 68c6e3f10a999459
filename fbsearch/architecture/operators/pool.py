"""Average and max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import width_problem
from fbsearch.architecture.operators.key import KERNEL, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator, register


@dataclass(frozen=True)
class _Pool(Operator):
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, STRIDE)

    kernel: int = 3
    stride: int = 1

    def _problem(self) -> str | None:
        return width_problem(self.in_channels, self.out_channels)


@register
@dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of a window's pixels; those beyond the border do not count.

    Args:
        kernel: of the window, odd.
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "avgpool"

    @property
    def label(self) -> str:
        """Such as ``avg 3×3``."""
        return f"avg {self.kernel}×{self.kernel}"


@register
@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest of a window's pixels.

    Args:
        kernel: of the window, odd.
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "maxpool"

    @property
    def label(self) -> str:
        """Such as ``max 3×3``."""
        return f"max {self.kernel}×{self.kernel}"
