"""The plain space: structures of super-blocks within bounds, too many to be listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fbsearch.architecture import Architecture, Operator, Shape
from fbsearch.errors import ArchitectureError, SpaceError
from fbsearch.spaces.choices import short_text
from fbsearch.spaces.plain.bounds import Bounds, Skeleton
from fbsearch.spaces.plain.drawing import Mutation, Structure, linked
from fbsearch.spaces.plain.kinds import KINDS
from fbsearch.spaces.plain.networks import build_structure, structure_of
from fbsearch.spaces.plain.structure_string import write_structure
from fbsearch.spaces.plain.super_block import SuperBlock
from fbsearch.spaces.space import Code

NUMBERS_PER_BLOCK = 5
"""Of a code: kind, output, bottleneck, sub_layers, stride."""

_MAX_DRAWS = 1000


@dataclass(frozen=True)
class PlainSpace:
    """Structures with the initial one's convolutions and strides, and kinds, widths and depths in bounds.

    A code holds five numbers for each super-block: its kind's place in :data:`KINDS`, its output's channels,
    its bottleneck's, its sub_layers and its stride.

    Args:
        name: how people and tables call the space.
        fingerprint: SHA-256 of all that may be chosen.
        input: shape of the image.
        num_classes: number of classes.
        initial: where sampling and mutation begin, within the bounds.
        bounds: what may be chosen.
        draw: a structure at random; drawn again where it is out of bounds.
        change: a structure near one; likewise.
        gated: whether residual blocks have squeeze and excitation.

    Raises:
        SpaceError: if the initial structure is out of bounds.
    """

    name: str
    fingerprint: str
    input: Shape
    num_classes: int
    initial: Structure
    bounds: Bounds
    draw: Mutation
    change: Mutation
    gated: bool

    def __post_init__(self) -> None:
        self.decode(self.code_of(self.initial))

    @property
    def size(self) -> int | None:
        """Not counted."""
        return None

    def operators(self) -> tuple[Operator, ...] | None:
        """Too many to be listed."""
        return None

    def decode(self, code: Sequence[int], *, name: str | None = None) -> Architecture:
        """The architecture of ``code``.

        Raises:
            SpaceError: if ``code`` is none of this space.
        """
        blocks = self.blocks_of(code)
        try:
            return build_structure(
                blocks,
                resolution=self.input.resolution,
                num_classes=self.num_classes,
                name=name or f"{self.name}-{short_text(code)}",
                gated=self.gated,
            )
        except ArchitectureError as error:
            raise SpaceError(f"space {self.name!r}: {error}") from None

    def encode(self, architecture: Architecture) -> Code:
        """The code that :meth:`decode` turns into ``architecture``'s nodes.

        Raises:
            SpaceError: if the architecture is not in this space.
        """
        try:
            code = self.code_of(structure_of(architecture))
        except ArchitectureError as error:
            raise SpaceError(f"{error}, as those of space {self.name!r} are") from None
        if self.decode(code).nodes != architecture.nodes:
            raise SpaceError(
                f"architecture {architecture.name!r} has another image, other classes or other gates than "
                f"space {self.name!r}"
            )
        return code

    def sample(self, rng: np.random.Generator) -> Code:
        """A random code, drawn as the space's sampler does."""
        return self._drawn(lambda: self.draw(self.initial, self.bounds, rng), not_this=None)

    def mutate(self, code: Sequence[int], rng: np.random.Generator) -> Code:
        """A code near ``code``, and not the same.

        Raises:
            SpaceError: if there is none.
        """
        blocks = self.blocks_of(code)
        return self._drawn(lambda: self.change(blocks, self.bounds, rng), not_this=tuple(code))

    def num_layers(self, code: Sequence[int]) -> int:
        """Sub_layers of all super-blocks, convolutions among them: what the released search bounds."""
        return sum(block.sub_layers for block in self.blocks_of(code))

    def structure(self, code: Sequence[int]) -> str:
        """The structure string of ``code``."""
        return write_structure(self.blocks_of(code))

    def code_of(self, blocks: Sequence[SuperBlock]) -> Code:
        """The code of a structure, which may be out of bounds."""
        return tuple(
            number
            for block in blocks
            for number in (
                KINDS.index(block.kind),
                block.out_channels,
                block.bottleneck,
                block.sub_layers,
                block.stride,
            )
        )

    def blocks_of(self, code: Sequence[int]) -> Structure:
        """The super-blocks of ``code``.

        Raises:
            SpaceError: if ``code`` is none of this space.
        """
        try:
            blocks = self._read(code)
        except ArchitectureError as error:
            raise SpaceError(f"space {self.name!r}: {error}") from None
        if not Skeleton.of(self.initial).holds(Skeleton.of(blocks)):
            raise SpaceError(
                f"space {self.name!r}: {write_structure(blocks)[:200]} has not the convolutions and strides "
                f"of {write_structure(self.initial)}"
            )
        problem = self.bounds.problem(blocks) or self._head_problem(blocks)
        if problem:
            raise SpaceError(f"space {self.name!r}: {problem}")
        return blocks

    def _head_problem(self, blocks: Structure) -> str | None:
        head = self.initial[-1]
        if not self.bounds.keeps_width(self.initial, len(self.initial) - 1) or blocks[-1] == replace(
            head, in_channels=blocks[-1].in_channels
        ):
            return None
        return f"{blocks[-1]}: the head keeps its {head.out_channels} channels"

    def _read(self, code: Sequence[int]) -> Structure:
        if not code or len(code) % NUMBERS_PER_BLOCK:
            raise SpaceError(
                f"space {self.name!r}: a code of {len(code)} numbers; each super-block takes "
                f"{NUMBERS_PER_BLOCK}: kind, output, bottleneck, sub_layers, stride"
            )
        rows = [code[start : start + NUMBERS_PER_BLOCK] for start in range(0, len(code), NUMBERS_PER_BLOCK)]
        return linked([self._block(*row) for row in rows])

    def _block(
        self, kind: int, out_channels: int, bottleneck: int, sub_layers: int, stride: int
    ) -> SuperBlock:
        if not 0 <= kind < len(KINDS):
            raise SpaceError(f"space {self.name!r}: kind {kind}: allowed are 0 to {len(KINDS) - 1}")
        if not KINDS[kind].has_bottleneck and bottleneck:
            raise SpaceError(f"space {self.name!r}: {KINDS[kind].name} has no bottleneck: write 0")
        return SuperBlock(KINDS[kind], self.input.channels, out_channels, stride, bottleneck, sub_layers)

    def _drawn(self, draw: Callable[[], Structure], *, not_this: Any) -> Code:
        for _ in range(_MAX_DRAWS):
            blocks = draw()
            code = self.code_of(blocks)
            if code != not_this and self.bounds.problem(blocks) is None:
                return code
        raise SpaceError(
            f"space {self.name!r}: {_MAX_DRAWS:,} draws gave nothing new within its bounds: widen them"
        )
