"""The kinds of super-blocks: what stands in one of their layers (Zen-NAS, Lin et al., 2021; its release)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar, Literal, get_args

from fbsearch.architecture import Operator
from fbsearch.architecture.operators import Conv, ZenBasic, ZenBlock, ZenBottleneck, ZenInverted

Family = Literal["basic", "bottleneck", "inverted"]
Kernel = Literal[3, 5, 7]
Expansion = Literal[1, 2, 4, 6]

FAMILIES: tuple[Family, ...] = get_args(Family)
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
EXPANSIONS: tuple[Expansion, ...] = get_args(Expansion)

WIDTH_STEP = 8
"""The inner channels of inverted blocks are a multiple of it, whatever widths are written."""


def round_to_step(width: float, step: int = WIDTH_STEP) -> int:
    """The multiple of ``step`` nearest to a width, and at least ``step``.

    >>> round_to_step(8 / 2.5), round_to_step(60)
    (8, 64)
    """
    return max(step, round(width / step) * step)


@dataclass(frozen=True)
class LayerPlace:
    """Where a layer of a super-block stands.

    Args:
        in_channels: of what comes in.
        out_channels: of what goes out.
        bottleneck: the super-block's second width.
        resolution: of what comes in, in pixels.
        stride: 1 or 2.
        is_first: whether it is the first of its super-block, whose shortcut is projected.
        gated: whether residual blocks have squeeze and excitation.
    """

    in_channels: int
    out_channels: int
    bottleneck: int
    resolution: int
    stride: int
    is_first: bool
    gated: bool


@dataclass(frozen=True)
class SuperKind(ABC):
    """What a super-block repeats.

    Args:
        kernel: of its convolutions.
    """

    has_bottleneck: ClassVar[bool] = True
    """Whether it has a second width."""

    blocks_per_layer: ClassVar[int] = 1
    """Operators that a layer is made of."""

    kernel: int

    @property
    @abstractmethod
    def name(self) -> str:
        """As structure strings call it."""

    @abstractmethod
    def layer(self, place: LayerPlace) -> tuple[Operator, ...]:
        """The operators of one layer."""

    def bottleneck_of(self, first: Operator) -> int:
        """The second width of a super-block that begins with this; 0 where it cannot be of this kind."""
        hidden: int = getattr(first, "hidden", 0)
        return hidden


@dataclass(frozen=True)
class ConvKind(SuperKind):
    """Convolution, norm, ReLU."""

    has_bottleneck: ClassVar[bool] = False

    def bottleneck_of(self, first: Operator) -> int:
        """None."""
        return 0

    @property
    def name(self) -> str:
        """Such as ``SuperConvK3BNRELU``."""
        return f"SuperConvK{self.kernel}BNRELU"

    def layer(self, place: LayerPlace) -> tuple[Operator, ...]:
        """One convolution."""
        conv = Conv(
            place.in_channels,
            place.out_channels,
            place.resolution,
            kernel=self.kernel,
            stride=place.stride,
            activation="relu",
        )
        return (conv,)


@dataclass(frozen=True)
class BasicKind(SuperKind):
    """One residual block KxK-KxK."""

    @property
    def name(self) -> str:
        """Such as ``SuperResK3K3``."""
        return f"SuperResK{self.kernel}K{self.kernel}"

    def layer(self, place: LayerPlace) -> tuple[Operator, ...]:
        """One block whose first convolution gives the bottleneck's channels."""
        return (_block(ZenBasic, self.kernel, place, hidden=place.bottleneck),)


@dataclass(frozen=True)
class BottleneckKind(SuperKind):
    """Two bottlenecks 1-K-1."""

    blocks_per_layer: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """Such as ``SuperResK1K5K1``."""
        return f"SuperResK1K{self.kernel}K1"

    def layer(self, place: LayerPlace) -> tuple[Operator, ...]:
        """Two blocks of the same widths; the first changes the shape."""
        first = _block(ZenBottleneck, self.kernel, place, hidden=place.bottleneck)
        second = _block(ZenBottleneck, self.kernel, _behind(place), hidden=place.bottleneck)
        return first, second


@dataclass(frozen=True)
class InvertedKind(SuperKind):
    """Two inverted depthwise blocks.

    Args:
        expansion: inner channels as a multiple of each block's output.
    """

    blocks_per_layer: ClassVar[int] = 2

    expansion: int

    def bottleneck_of(self, first: Operator) -> int:
        """The first block's output."""
        return first.out_channels

    @property
    def name(self) -> str:
        """Such as ``SuperResIDWE6K7``."""
        return f"SuperResIDWE{self.expansion}K{self.kernel}"

    def layer(self, place: LayerPlace) -> tuple[Operator, ...]:
        """The first block gives the bottleneck's channels, the second the output's."""
        narrow = replace(place, out_channels=place.bottleneck)
        wide = replace(_behind(place), in_channels=place.bottleneck)
        return self._inverted(narrow), self._inverted(wide)

    def _inverted(self, place: LayerPlace) -> Operator:
        hidden = round_to_step(place.out_channels * self.expansion)
        return _block(ZenInverted, self.kernel, place, hidden=hidden)


def _behind(place: LayerPlace) -> LayerPlace:
    """The place of a layer's second block."""
    return replace(
        place,
        in_channels=place.out_channels,
        resolution=-(-place.resolution // place.stride),
        stride=1,
        is_first=False,
    )


def _block(kind: type[ZenBlock], kernel: int, place: LayerPlace, *, hidden: int) -> ZenBlock:
    keeps_shape = place.stride == 1 and place.in_channels == place.out_channels
    return kind(
        place.in_channels,
        place.out_channels,
        place.resolution,
        kernel=kernel,
        stride=place.stride,
        hidden=hidden,
        gated=place.gated,
        projected=place.is_first and keeps_shape,
    )


def kinds_of(family: Family, kernels: Sequence[int], expansions: Sequence[int]) -> tuple[SuperKind, ...]:
    """The kinds of a family, smallest kernels first."""
    makers: dict[Family, tuple[SuperKind, ...]] = {
        "basic": tuple(map(BasicKind, kernels)),
        "bottleneck": tuple(map(BottleneckKind, kernels)),
        "inverted": tuple(InvertedKind(kernel, e) for kernel, e in product(kernels, expansions)),
    }
    return makers[family]


KINDS: tuple[SuperKind, ...] = (
    *map(ConvKind, (1, *KERNELS)),
    *(kind for family in FAMILIES for kind in kinds_of(family, KERNELS, EXPANSIONS)),
)
"""All that structure strings may name; codes count them from 0."""
