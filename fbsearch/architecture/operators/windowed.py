"""What kinds have in common that move a window of one size over the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.key import KERNEL, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator


@dataclass(frozen=True)
class Windowed(Operator):
    """A window and a step.

    Args:
        kernel: height and width of the window, odd.
        stride: 1 or 2.
    """

    word: ClassVar[str]
    """What the label begins with."""

    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, STRIDE)

    kernel: int = 3
    stride: int = 1

    @property
    def label(self) -> str:
        """The word and the window, such as ``sep 3×3``."""
        return f"{self.word} {self.kernel}×{self.kernel}"
