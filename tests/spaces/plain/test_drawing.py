"""Structures at random: the published rules, and draws that reach all that is allowed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.spaces.plain.bounds import Bounds, Skeleton
from fbsearch.spaces.plain.drawing import (
    RELEASED_FACTORS,
    Mutation,
    draw_uniformly,
    linked,
    mutate_as_paper,
    mutate_as_released,
    mutate_one_as_released,
    split_deep,
)
from fbsearch.spaces.plain.kinds import EXPANSIONS, KERNELS, kinds_of
from fbsearch.spaces.plain.structure_string import read_structure, write_structure
from fbsearch.spaces.plain.super_block import SuperBlock

START = read_structure(
    "SuperConvK3BNRELU(3,16,1,1)SuperResK1K5K1(16,40,2,24,3)SuperResK3K3(40,80,2,40,2)SuperConvK1BNRELU(80,64,1,1)"
)
BOUNDS = Bounds(
    families=(kinds_of("bottleneck", KERNELS, ()), kinds_of("basic", KERNELS, ())),
    least_width=8,
    most_width=128,
    width_step=8,
    max_layers=10,
    fixed_head=True,
)
MUTATIONS = {"paper": mutate_as_paper, "released": mutate_as_released, "one": mutate_one_as_released}


def draws(how: Mutation, number: int) -> list[tuple[SuperBlock, ...]]:
    rng = np.random.default_rng(0)
    return [how(START, BOUNDS, rng) for _ in range(number)]


@pytest.mark.parametrize("how", MUTATIONS)
@given(seed=st.integers(0, 2**32))
def test_mutations_keep_the_frame(how: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = START
    for _ in range(10):
        blocks = MUTATIONS[how](blocks, BOUNDS, rng)
        assert blocks == linked(blocks) and blocks[0].in_channels == 3
        assert Skeleton.of(START).holds(Skeleton.of(blocks))
        assert blocks[-1] == replace(START[-1], in_channels=blocks[-2].out_channels), "the head is fixed"
        problem = BOUNDS.problem(blocks)
        assert problem is None or "layers" in problem, "only depth may leave the bounds"


@pytest.mark.parametrize(("how", "most"), [("paper", 1), ("one", 1), ("released", 2)])
def test_a_mutation_changes_so_many_super_blocks(how: str, most: int) -> None:
    def numbers(blocks: tuple[SuperBlock, ...]) -> list[object]:
        return [replace(block, in_channels=1) for block in blocks]

    changed = [
        sum(a != b for a, b in zip(numbers(START), numbers(one), strict=True))
        for one in draws(MUTATIONS[how], 300)
        if len(one) == len(START)
    ]
    assert max(changed) == most


def test_released_widths_and_depths_are_the_listed_ones() -> None:
    found = [one for one in draws(mutate_one_as_released, 2000) if one[1] != START[1] and one[0] == START[0]]
    widths = {round(40 * factor / 8) * 8 for factor in RELEASED_FACTORS}
    assert {one[1].out_channels for one in found} == widths == {16, 24, 32, 40, 48, 64, 80, 96}
    assert {one[1].bottleneck for one in found} == {8, 16, 24, 32, 48, 64}
    assert {one[1].sub_layers for one in found} == {1, 2, 3, 4, 5}
    shallow = {one[2].sub_layers for one in draws(mutate_one_as_released, 1000)}
    assert shallow == {1, 2, 3, 4}, "none has no layer"


def test_released_kinds_are_drawn_as_unevenly_as_in_the_release() -> None:
    kinds = Counter(
        one[1].kind.name
        for one in draws(mutate_one_as_released, 4000)
        if one[1] != START[1] and one[0] == START[0]
    )
    shares = {name: count / sum(kinds.values()) for name, count in kinds.items()}
    for name, share in {"K1K3K1": 3, "K1K5K1": 3, "K1K7K1": 2, "K3K3": 3, "K5K5": 3, "K7K7": 2}.items():
        assert shares[f"SuperRes{name}"] == pytest.approx(share / 16, abs=0.04)


def test_the_papers_rule_halves_and_doubles_at_most() -> None:
    found = [one for one in draws(mutate_as_paper, 2000) if one[1] != START[1] and one[0] == START[0]]
    assert {one[1].sub_layers for one in found} == {2, 3, 4, 5, 6}
    widths = {one[1].out_channels for one in found}
    assert (min(widths), max(widths)) == (24, 80) or (min(widths), max(widths)) == (16, 80)
    assert {one[1].kind for one in found} == set(BOUNDS.kinds)


def test_uniform_draws_reach_every_depth_width_and_kind_evenly() -> None:
    found = draws(draw_uniformly, 3000)
    assert all(BOUNDS.problem(one) is None for one in found)
    depths = Counter((one[1].sub_layers, one[2].sub_layers) for one in found)
    allowed = {(a, b) for a in range(1, 8) for b in range(1, 8) if a + b <= 8}
    assert set(depths) == allowed
    expected = len(found) / len(allowed)
    assert all(0.6 * expected < count < 1.4 * expected for count in depths.values())
    assert {one[1].out_channels for one in found} == set(range(8, 129, 8))
    assert {one[2].bottleneck for one in found} == set(range(8, 129, 8))
    assert {one[2].kind for one in found} == set(BOUNDS.kinds)
    assert {one[-1].out_channels for one in found} == {64}


def test_deep_super_blocks_are_split_into_three_and_the_rest() -> None:
    assert write_structure(split_deep(read_structure("SuperResK3K3(8,16,2,24,7)"))) == (
        "SuperResK3K3(8,16,2,24,3)SuperResK3K3(16,16,1,24,4)"
    )
    for kept in ("SuperResK3K3(8,16,2,24,5)", "SuperConvK3BNRELU(8,16,2,9)"):
        assert write_structure(split_deep(read_structure(kept))) == kept


@given(st.integers(1, 5000))
def test_the_nearest_width_is_allowed(width: int) -> None:
    nearest = BOUNDS.nearest_width(width)
    assert nearest % 8 == 0 and 8 <= nearest <= 128
    if 8 <= width <= 128:
        assert abs(nearest - width) <= 4


def test_inverted_kinds_are_ordered_by_kernel_then_expansion() -> None:
    names = [kind.name for kind in kinds_of("inverted", KERNELS, EXPANSIONS)]
    assert names[:5] == [*(f"SuperResIDWE{e}K3" for e in (1, 2, 4, 6)), "SuperResIDWE1K5"]
    assert len(names) == 12
