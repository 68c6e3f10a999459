"""Structures at random: drawn within bounds, or changed by the published rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from fbsearch.spaces.plain.bounds import Bounds
from fbsearch.spaces.plain.kinds import SuperKind
from fbsearch.spaces.plain.super_block import MAX_SUB_LAYERS, SuperBlock

_Choice = TypeVar("_Choice")

Structure = tuple[SuperBlock, ...]
Mutation = Callable[[Structure, Bounds, np.random.Generator], Structure]
"""A structure near one; it may be the same, or deeper than is allowed."""

RELEASED_FACTORS = (1 / 2.5, 1 / 2, 1 / 1.5, 1 / 1.25, 1.0, 1.25, 1.5, 2.0, 2.5)
RELEASED_STEPS = (-2, -1, 0, 1, 2)
RELEASED_BLOCKS = 2
"""Super-blocks that a mutation of a population's member changes; of the initial structure it changes one."""
SPLIT_FROM = 6
"""Super-blocks so deep become two."""


def linked(blocks: Sequence[SuperBlock]) -> Structure:
    """The super-blocks, each taking what the one before gives."""
    found: list[SuperBlock] = []
    for block in blocks:
        found.append(replace(block, in_channels=found[-1].out_channels) if found else block)
    return tuple(found)


def draw_uniformly(blocks: Structure, bounds: Bounds, rng: np.random.Generator) -> Structure:
    """Other kinds, widths and depths at the places of a structure, each allowed combination equally likely.

    Depths, all at least 1 and together at most B, are the gaps of n numbers drawn from 1 to B.
    """
    residual = [index for index, block in enumerate(blocks) if block.kind.has_bottleneck]
    budget = bounds.max_layers - sum(block.sub_layers for block in blocks if not block.kind.has_bottleneck)
    marks = np.sort(rng.choice(budget, len(residual), replace=False) + 1)
    depths = dict(zip(residual, np.diff(marks, prepend=0).tolist(), strict=True))
    drawn = list(blocks)
    for index, block in enumerate(blocks):
        if not bounds.keeps_width(blocks, index):
            drawn[index] = replace(block, out_channels=_any_width(bounds, rng))
        if index in depths:
            drawn[index] = replace(
                drawn[index],
                kind=_one_of(bounds.kinds, rng),
                bottleneck=_any_width(bounds, rng),
                sub_layers=depths[index],
            )
    return linked(drawn)


def mutate_as_paper(blocks: Structure, bounds: Bounds, rng: np.random.Generator) -> Structure:
    """One super-block with another kind (kernel and expansion with it), widths and depth scaled within
    [0.5, 2], evenly in the logarithm (Algorithm 3, which names the ranges and no distribution).
    """
    index = int(rng.integers(len(blocks)))
    block, factors = blocks[index], 2.0 ** rng.uniform(-1, 1, size=3)
    if bounds.keeps_width(blocks, index):
        return blocks
    changed = replace(block, out_channels=bounds.nearest_width(block.out_channels * factors[0]))
    if block.kind.has_bottleneck:
        changed = replace(
            changed,
            kind=_one_of(bounds.kinds, rng),
            bottleneck=bounds.nearest_width(block.bottleneck * factors[1]),
            sub_layers=min(MAX_SUB_LAYERS, max(1, round(block.sub_layers * factors[2]))),
        )
    return linked([*blocks[:index], changed, *blocks[index + 1 :]])


def mutate_as_released(blocks: Structure, bounds: Bounds, rng: np.random.Generator) -> Structure:
    """Two super-blocks, or one that is drawn twice, replaced as :func:`mutate_one_as_released` says."""
    places = {int(rng.integers(len(blocks))) for _ in range(RELEASED_BLOCKS)}
    return _replace_as_released(blocks, places, bounds, rng)


def mutate_one_as_released(blocks: Structure, bounds: Bounds, rng: np.random.Generator) -> Structure:
    """One super-block with widths times 1/2.5 to 2.5, a kind drawn by :func:`released_weights`, and up to two
    layers more or fewer; then deep ones are split.
    """
    return _replace_as_released(blocks, {int(rng.integers(len(blocks)))}, bounds, rng)


def released_weights(families: Sequence[Sequence[SuperKind]]) -> list[int]:
    """How often each kind stands in the list that the released search draws from.

    Its list of a family's kinds is copied at each kind, and the copies go on growing to the next: of n kinds
    the first two stand in all n copies, each later one in a copy less.

    >>> released_weights([range(3), range(12)])
    [3, 3, 2, 12, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    """
    return [min(len(kinds), len(kinds) + 1 - index) for kinds in families for index in range(len(kinds))]


def split_deep(blocks: Sequence[SuperBlock]) -> Structure:
    """Residual super-blocks of six layers and more as one of three and one of the others.

    The second begins with a projection, which the undivided one does not have there.
    """
    found: list[SuperBlock] = []
    for block in blocks:
        if not block.kind.has_bottleneck or block.sub_layers < SPLIT_FROM:
            found.append(block)
            continue
        half = SPLIT_FROM // 2
        rest = replace(block, in_channels=block.out_channels, stride=1, sub_layers=block.sub_layers - half)
        found += [replace(block, sub_layers=half), rest]
    return tuple(found)


def _replace_as_released(
    blocks: Structure, places: set[int], bounds: Bounds, rng: np.random.Generator
) -> Structure:
    changed = list(blocks)
    for index in sorted(places):
        if not bounds.keeps_width(blocks, index):
            changed[index] = _released_block(blocks[index], bounds, rng)
    return split_deep(linked(changed))


def _released_block(block: SuperBlock, bounds: Bounds, rng: np.random.Generator) -> SuperBlock:
    changed = replace(block, out_channels=_released_width(block.out_channels, bounds, rng))
    if not block.kind.has_bottleneck:
        return changed
    weights = np.array(released_weights(bounds.families))
    depths = sorted({max(0, block.sub_layers + step) for step in RELEASED_STEPS} - {0})
    return replace(
        changed,
        kind=bounds.kinds[int(rng.choice(len(weights), p=weights / weights.sum()))],
        bottleneck=_released_width(block.bottleneck, bounds, rng),
        sub_layers=min(MAX_SUB_LAYERS, _one_of(depths, rng)),
    )


def _released_width(width: int, bounds: Bounds, rng: np.random.Generator) -> int:
    """One of the scaled widths, each that differs from the others equally likely."""
    return _one_of(sorted({bounds.nearest_width(width * factor) for factor in RELEASED_FACTORS}), rng)


def _any_width(bounds: Bounds, rng: np.random.Generator) -> int:
    return bounds.least_width + bounds.width_step * int(rng.integers(bounds.num_widths))


def _one_of(choices: Sequence[_Choice], rng: np.random.Generator) -> _Choice:
    return choices[int(rng.integers(len(choices)))]
