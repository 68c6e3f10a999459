"""A convolution, its batch norm and an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import group_problem
from fbsearch.architecture.operators.key import ACTIVATION, GROUPS, KERNEL, STRIDE, Flag, KeyPart
from fbsearch.architecture.operators.operator import Activation, Operator, register
from fbsearch.architecture.shape import Shape


@register
@dataclass(frozen=True)
class Conv(Operator):
    """Convolution, batch norm, activation.

    >>> Conv(3, 16, 224, kernel=3, stride=2, activation="relu").key
    'conv_k3_s2_relu_c3-16_r224'

    Args:
        kernel: odd.
        stride: 1 or 2.
        groups: of the convolution.
        activation: the non-linearity.
        without_padding: the kernel stays within the image, so that the output is smaller by its border.
    """

    kind: ClassVar[str] = "conv"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (
        KERNEL,
        GROUPS,
        STRIDE,
        Flag("without_padding", "valid"),
        ACTIVATION,
    )

    kernel: int = 1
    stride: int = 1
    groups: int = 1
    activation: Activation = "identity"
    without_padding: bool = False

    @property
    def output(self) -> Shape:
        """Shape of the output: with padding ceil(resolution / stride)."""
        if not self.without_padding:
            return super().output
        return Shape(self.out_channels, (self.resolution - self.kernel) // self.stride + 1)

    @property
    def num_weights(self) -> int:
        """Of the convolution."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups

    @property
    def label(self) -> str:
        """Such as ``conv 3×3``."""
        return f"conv {self.kernel}×{self.kernel}" + (f" g{self.groups}" if self.groups > 1 else "")

    def _problem(self) -> str | None:
        if self.without_padding and not 1 < self.kernel <= self.resolution:
            return f"without padding the kernel must lie between 3 and the resolution, not {self.kernel}"
        return group_problem(self.groups, self.in_channels, self.out_channels)
