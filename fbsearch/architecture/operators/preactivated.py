"""The convolutions of cell spaces: ReLU first, batch norm last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import group_problem
from fbsearch.architecture.operators.key import GROUPS, KERNEL, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator, register
from fbsearch.architecture.operators.windowed import Windowed


@register
@dataclass(frozen=True)
class ReluConv(Windowed):
    """ReLU, convolution, batch norm: what fits a cell's inputs, and a candidate (DARTS, NASNet,
    NAS-Bench-201).

    Args:
        kernel: odd.
        stride: 1 or 2.
        groups: of the convolution.
    """

    kind: ClassVar[str] = "reluconv"
    word: ClassVar[str] = "conv"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, GROUPS, STRIDE)

    groups: int = 1

    @property
    def num_weights(self) -> int:
        """Of the convolution."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups

    @property
    def label(self) -> str:
        """Such as ``conv 3×3``."""
        return super().label + (f" g{self.groups}" if self.groups > 1 else "")

    def _problem(self) -> str | None:
        return group_problem(self.groups, self.in_channels, self.out_channels)


@register
@dataclass(frozen=True)
class SepConv(Windowed):
    """Twice: ReLU, depthwise KxK, pointwise, batch norm; the stride and the width change in the first half.

    So DARTS (Liu et al., 2019) and NASNet (Zoph et al., 2018) define a separable convolution, but that in
    DARTS' code the width changes in the second half; it never does where a cell's inputs are fitted first.

    Args:
        kernel: of the depthwise convolutions, odd.
        stride: 1 or 2.
        dilation: of the depthwise convolutions; AmoebaNet's space has one of 2.
    """

    kind: ClassVar[str] = "sepconv"
    word: ClassVar[str] = "sep"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, KeyPart("dilation", "d", default=1), STRIDE)

    dilation: int = 1

    @property
    def num_weights(self) -> int:
        """Of the four convolutions."""
        return (self.in_channels + self.out_channels) * (self.kernel**2 + self.out_channels)

    @property
    def label(self) -> str:
        """Such as ``sep 3×3``, or ``dil sep 3×3``."""
        return f"dil {super().label}" if self.dilation > 1 else super().label

    def _problem(self) -> str | None:
        return _dilation_problem(self.dilation)


@register
@dataclass(frozen=True)
class DilConv(Windowed):
    """ReLU, dilated depthwise KxK, pointwise, batch norm (DARTS).

    Args:
        kernel: odd.
        stride: 1 or 2.
        dilation: of the depthwise convolution.
    """

    kind: ClassVar[str] = "dilconv"
    word: ClassVar[str] = "dil"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, KeyPart("dilation", "d"), STRIDE)

    dilation: int = 2

    @property
    def num_weights(self) -> int:
        """Of both convolutions."""
        return self.in_channels * (self.kernel**2 + self.out_channels)

    def _problem(self) -> str | None:
        return _dilation_problem(self.dilation)


def _dilation_problem(dilation: int) -> str | None:
    return None if 1 <= dilation <= 9 else f"dilation must lie between 1 and 9, not {dilation}"


@register
@dataclass(frozen=True)
class AsymConv(Windowed):
    """ReLU, 1xK convolution, Kx1 convolution, batch norm (NASNet's 1x7-7x1 and 1x3-3x1).

    Args:
        kernel: K, odd.
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "asymconv"

    @property
    def num_weights(self) -> int:
        """Of both convolutions."""
        return self.kernel * self.out_channels * (self.in_channels + self.out_channels)

    @property
    def label(self) -> str:
        """Such as ``1×7 7×1``."""
        return f"1×{self.kernel} {self.kernel}×1"


@register
@dataclass(frozen=True)
class FactorisedReduce(Operator):
    """ReLU, then two 1x1 convolutions of stride 2 on pixels moved by one, side by side, each with its norm.

    It halves the resolution without leaving three of four pixels out (NASNet, DARTS).
    """

    kind: ClassVar[str] = "facreduce"

    @property
    def stride(self) -> int:
        """It halves."""
        return 2

    @property
    def num_weights(self) -> int:
        """Of both convolutions."""
        return self.in_channels * self.out_channels

    @property
    def label(self) -> str:
        """``reduce``."""
        return "reduce"

    def _problem(self) -> str | None:
        return None if self.out_channels > 1 else "the output needs at least 2 channels, one for each half"
