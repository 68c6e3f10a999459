"""The inverted residual block of MobileNetV2, FBNet's candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import group_problem
from fbsearch.architecture.operators.key import ACTIVATION, GROUPS, KERNEL, STRIDE, Flag, KeyPart
from fbsearch.architecture.operators.operator import Activation, Operator, register


@register
@dataclass(frozen=True)
class MBConv(Operator):
    """Expand, depthwise, project; residual where shapes match (FBNet, Wu et al., 2019, Figure 3).

    >>> MBConv(16, 24, 112, kernel=3, stride=2, expansion=6, activation="relu").key
    'mbconv_k3_e6_s2_relu_c16-24_r112'

    Args:
        kernel: of the depthwise convolution, odd.
        stride: 1 or 2.
        expansion: hidden channels are ``in_channels * expansion``.
        groups: of the two 1x1 convolutions.
        activation: the non-linearity.
        squeeze_excite: squeezed channels as a share of the hidden channels, to four decimals; 0 for none.
        full_expand: keep the first 1x1 convolution even at expansion 1.
    """

    kind: ClassVar[str] = "mbconv"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (
        KERNEL,
        KeyPart("expansion", "e"),
        Flag("full_expand", "full"),
        GROUPS,
        STRIDE,
        KeyPart("squeeze_excite", "se", value_pattern=r"\d\.?\d{0,9}", parse=float, default=0.0),
        ACTIVATION,
    )

    kernel: int = 1
    stride: int = 1
    expansion: int = 1
    groups: int = 1
    activation: Activation = "identity"
    squeeze_excite: float = 0.0
    full_expand: bool = False

    @property
    def has_residual(self) -> bool:
        """Where shapes match."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def has_expand(self) -> bool:
        """Whether it begins with a 1x1 expansion convolution."""
        return self.expansion > 1 or self.full_expand

    @property
    def hidden_channels(self) -> int:
        """Channels between the two 1x1 convolutions."""
        return self.in_channels * self.expansion

    @property
    def num_weights(self) -> int:
        """Of the three convolutions, and of the two of squeeze and excitation."""
        hidden = self.hidden_channels
        ends = (self.in_channels if self.has_expand else 0) + self.out_channels
        squeezed = max(1, round(hidden * self.squeeze_excite)) if self.squeeze_excite else 0
        return hidden * ends // self.groups + self.kernel**2 * hidden + 2 * hidden * squeezed

    @property
    def label(self) -> str:
        """Such as ``k5 e6``."""
        parts = [f"k{self.kernel}", f"e{self.expansion}"]
        if self.groups > 1:
            parts.append(f"g{self.groups}")
        if self.squeeze_excite:
            parts.append(f"se{self.squeeze_excite:g}")
        return " ".join(parts)

    def _problem(self) -> str | None:
        if not 0.0 <= self.squeeze_excite <= 1.0:
            return f"squeeze_excite must lie in [0, 1], not {self.squeeze_excite}"
        if round(self.squeeze_excite, 4) != self.squeeze_excite:
            return f"squeeze_excite may have at most four decimals, not {self.squeeze_excite}"
        if self.full_expand and self.expansion != 1:
            return "full_expand has no meaning at an expansion above 1, which always has the convolution"
        return group_problem(self.groups, self.in_channels, self.hidden_channels, self.out_channels)
