"""The residual blocks of ResNets, for staged spaces and between the stages of cell networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import group_problem
from fbsearch.architecture.operators.key import GROUPS, KERNEL, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator, register
from fbsearch.architecture.operators.windowed import Windowed


@register
@dataclass(frozen=True)
class BasicBlock(Windowed):
    """Two KxK convolutions with norms, the input added, ReLU; projected where the shape changes (He et al.,
    2016).

    Args:
        kernel: odd.
        stride: 1 or 2, of the first convolution.
    """

    kind: ClassVar[str] = "basic"
    word: ClassVar[str] = "res"

    @property
    def num_weights(self) -> int:
        """Of the two convolutions and the projection."""
        return self.out_channels * (
            self.kernel**2 * (self.in_channels + self.out_channels) + _projected_channels(self)
        )

    @property
    def has_residual(self) -> bool:
        """Always."""
        return True


@register
@dataclass(frozen=True)
class Bottleneck(Operator):
    """1x1, KxK in groups, 1x1, the input added, ReLU; projected where the shape changes (ResNet, ResNeXt).

    Args:
        kernel: of the middle convolution, odd.
        stride: 1 or 2, of the middle convolution.
        ratio: inner channels are ``out_channels / ratio``.
        groups: of the middle convolution.
    """

    kind: ClassVar[str] = "bottleneck"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, KeyPart("ratio", "b"), GROUPS, STRIDE)

    kernel: int = 3
    stride: int = 1
    ratio: int = 4
    groups: int = 1

    @property
    def has_residual(self) -> bool:
        """Always."""
        return True

    @property
    def num_weights(self) -> int:
        """Of the three convolutions and the projection."""
        inner = self.inner_channels
        middle = self.kernel**2 * inner * inner // self.groups
        projection = self.out_channels * _projected_channels(self)
        return inner * (self.in_channels + self.out_channels) + middle + projection

    @property
    def inner_channels(self) -> int:
        """Channels of the middle convolution."""
        return self.out_channels // self.ratio

    @property
    def label(self) -> str:
        """Such as ``bottle 3×3 b4 g2``."""
        return f"bottle {self.kernel}×{self.kernel} b{self.ratio}" + (
            f" g{self.groups}" if self.groups > 1 else ""
        )

    def _problem(self) -> str | None:
        if self.out_channels % self.ratio:
            return f"ratio={self.ratio} must divide the {self.out_channels} channels of the output"
        return group_problem(self.groups, self.inner_channels)


def _projected_channels(op: Operator) -> int:
    """Channels that the shortcut projects: none where the shape stays."""
    return 0 if op.stride == 1 and op.in_channels == op.out_channels else op.in_channels
