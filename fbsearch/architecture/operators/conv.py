"""A convolution, its batch norm and an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import group_problem
from fbsearch.architecture.operators.key import ACTIVATION, GROUPS, KERNEL, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Activation, Operator, register


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
    """

    kind: ClassVar[str] = "conv"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (KERNEL, GROUPS, STRIDE, ACTIVATION)

    kernel: int = 1
    stride: int = 1
    groups: int = 1
    activation: Activation = "identity"

    @property
    def num_weights(self) -> int:
        """Of the convolution."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups

    @property
    def label(self) -> str:
        """Such as ``conv 3×3``."""
        return f"conv {self.kernel}×{self.kernel}" + (f" g{self.groups}" if self.groups > 1 else "")

    def _problem(self) -> str | None:
        return group_problem(self.groups, self.in_channels, self.out_channels)
