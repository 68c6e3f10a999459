"""What a plain space allows: kinds, widths and depths of super-blocks, and where the resolution halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from fbsearch.spaces.plain.kinds import SuperKind, round_to_step
from fbsearch.spaces.plain.super_block import SuperBlock

Anchor = tuple[str, int, int]

_HALVING: Anchor = ("", 2, 0)


@dataclass(frozen=True)
class Skeleton:
    """What all structures of a space have in common: convolutions and strides, in order.

    Between two of these *anchors* stand residual super-blocks of stride 1, as many as at first or more,
    since a deep one may be split in two.

    Args:
        anchors: name, stride and sub_layers of convolutions, and strides of 2 of residual super-blocks, whose
            names and sub_layers are free.
        num_between: super-blocks of stride 1 before each anchor, and behind the last.
    """

    anchors: tuple[Anchor, ...]
    num_between: tuple[int, ...]

    @staticmethod
    def of(blocks: Sequence[SuperBlock]) -> Skeleton:
        """That of a structure."""
        anchors: list[Anchor] = []
        counts = [0]
        for block in blocks:
            if not block.kind.has_bottleneck:
                anchors.append((block.kind.name, block.stride, block.sub_layers))
            elif block.stride == 2:
                anchors.append(_HALVING)
            if len(anchors) == len(counts):
                counts.append(0)
            else:
                counts[-1] += 1
        return Skeleton(tuple(anchors), tuple(counts))

    def holds(self, other: Skeleton) -> bool:
        """Whether splits may turn a structure of this one into the other."""
        if self.anchors != other.anchors:
            return False
        before = (None, *self.anchors)
        return all(
            new == old or (new > old and (old > 0 or anchor == _HALVING))
            for anchor, old, new in zip(before, self.num_between, other.num_between, strict=True)
        )


@dataclass(frozen=True)
class Bounds:
    """What may be chosen.

    Args:
        families: kinds of residual super-blocks, family by family, in an order that some rules go by.
        least_width: of outputs and bottlenecks.
        most_width: likewise.
        width_step: all widths are multiples of it.
        max_layers: sub_layers of all super-blocks together, convolutions among them.
        fixed_head: whether the last super-block, if it is a convolution, keeps its width.
    """

    families: tuple[tuple[SuperKind, ...], ...]
    least_width: int
    most_width: int
    width_step: int
    max_layers: int
    fixed_head: bool

    @property
    def kinds(self) -> tuple[SuperKind, ...]:
        """Those of all families."""
        return tuple(chain.from_iterable(self.families))

    @property
    def num_widths(self) -> int:
        """Widths between the bounds."""
        return (self.most_width - self.least_width) // self.width_step + 1

    def nearest_width(self, width: float) -> int:
        """The allowed width nearest to any."""
        return round_to_step(min(self.most_width, max(self.least_width, width)), self.width_step)

    def problem(self, blocks: Sequence[SuperBlock]) -> str | None:
        """What is wrong with the first super-block that is out of bounds, or None."""
        allowed = self.kinds
        for block in blocks:
            if block.kind.has_bottleneck and block.kind not in allowed:
                names = ", ".join(kind.name for kind in allowed)
                return f"{block}: kinds of this space are {names}"
            widths = (block.out_channels, block.bottleneck)[: 1 + block.kind.has_bottleneck]
            if any(width != self.nearest_width(width) for width in widths):
                return (
                    f"{block}: widths are multiples of {self.width_step} from {self.least_width} "
                    f"to {self.most_width}"
                )
        num_layers = sum(block.sub_layers for block in blocks)
        if num_layers > self.max_layers:
            return f"{num_layers} layers; {self.max_layers} are allowed"
        return None

    def keeps_width(self, blocks: Sequence[SuperBlock], index: int) -> bool:
        """Whether the super-block at ``index`` is a head that never changes."""
        is_last = index == len(blocks) - 1
        return self.fixed_head and is_last and not blocks[index].kind.has_bottleneck
