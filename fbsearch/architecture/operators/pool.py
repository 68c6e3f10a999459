"""Average and max pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import width_problem
from fbsearch.architecture.operators.operator import register
from fbsearch.architecture.operators.windowed import Windowed


@dataclass(frozen=True)
class _Pool(Windowed):
    @property
    def has_weights(self) -> bool:
        """It learns nothing."""
        return False

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
    word: ClassVar[str] = "avg"


@register
@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest of a window's pixels.

    Args:
        kernel: of the window, odd.
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "maxpool"
    word: ClassVar[str] = "max"
