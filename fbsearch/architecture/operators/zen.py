"""The residual blocks that Zen-NAS' super-blocks are made of (Lin et al., 2021, and the authors' release).

Each adds its input, or a projection of it, to its output; a ReLU follows. A super-block's first block always
projects, also where the shape stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.key import KERNEL, STRIDE, Flag, KeyPart
from fbsearch.architecture.operators.operator import register
from fbsearch.architecture.operators.windowed import Windowed

SQUEEZED_SHARE = 0.25
"""Of the inner channels, in squeeze and excitation."""


@dataclass(frozen=True)
class ZenBlock(Windowed):
    """What the three kinds have in common.

    Args:
        kernel: of the convolutions that see more than a pixel, odd.
        stride: 1 or 2, of the first of them.
        hidden: channels between the block's first and last convolution.
        gated: whether channel gates stand before the last convolution.
        projected: whether the shortcut is projected although the shape stays; where it changes, it always is.
    """

    key_parts: ClassVar[tuple[KeyPart, ...]] = (
        KERNEL,
        KeyPart("hidden", "h"),
        STRIDE,
        Flag("gated", "se"),
        Flag("projected", "proj"),
    )

    hidden: int = 8
    gated: bool = False
    projected: bool = False

    @property
    def has_residual(self) -> bool:
        """Always."""
        return True

    @property
    def has_projection(self) -> bool:
        """Whether the shortcut is a convolution."""
        return self.projected or self._changes_shape

    @property
    def squeezed_channels(self) -> int:
        """Channels that the gates are made of; 0 without gates."""
        return max(1, round(self.hidden * SQUEEZED_SHARE)) if self.gated else 0

    @property
    def num_weights(self) -> int:
        """Of all convolutions."""
        projection = self.in_channels * self.out_channels if self.has_projection else 0
        return self._branch_weights + projection + 2 * self.hidden * self.squeezed_channels

    @property
    def label(self) -> str:
        """Such as ``idw 7×7 h96``."""
        return f"{super().label} h{self.hidden}" + (" se" if self.gated else "")

    @property
    def _branch_weights(self) -> int:
        """Of the convolutions of the branch, gates apart."""
        raise NotImplementedError

    @property
    def _changes_shape(self) -> bool:
        return self.stride > 1 or self.in_channels != self.out_channels

    def _problem(self) -> str | None:
        if self.projected and self._changes_shape:
            return "projected has no meaning where the shape changes, which always takes a projection"
        return None


@register
@dataclass(frozen=True)
class ZenBasic(ZenBlock):
    """Two KxK convolutions, the input added, ReLU.

    >>> ZenBasic(32, 64, 16, kernel=3, stride=2, hidden=48).key
    'zenbasic_k3_h48_s2_c32-64_r16'
    """

    kind: ClassVar[str] = "zenbasic"
    word: ClassVar[str] = "res"

    @property
    def _branch_weights(self) -> int:
        return self.kernel**2 * self.hidden * (self.in_channels + self.out_channels)


@register
@dataclass(frozen=True)
class ZenBottleneck(ZenBlock):
    """1x1, KxK, 1x1, the input added, ReLU.

    >>> ZenBottleneck(64, 64, 16, kernel=5, hidden=16, projected=True).key
    'zenbottle_k5_h16_s1_proj_c64-64_r16'
    """

    kind: ClassVar[str] = "zenbottle"
    word: ClassVar[str] = "bottle"

    @property
    def _branch_weights(self) -> int:
        return self.hidden * (self.in_channels + self.kernel**2 * self.hidden + self.out_channels)


@register
@dataclass(frozen=True)
class ZenInverted(ZenBlock):
    """1x1, depthwise KxK, 1x1, the input added, ReLU.

    Its inner width is a multiple of the block's *output*, where MBConv's is one of its input.

    >>> ZenInverted(40, 64, 56, kernel=7, stride=2, hidden=256, gated=True).key
    'zenidw_k7_h256_s2_se_c40-64_r56'
    """

    kind: ClassVar[str] = "zenidw"
    word: ClassVar[str] = "idw"

    @property
    def _branch_weights(self) -> int:
        return self.hidden * (self.in_channels + self.kernel**2 + self.out_channels)
