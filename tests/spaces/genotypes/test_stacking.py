"""Networks of genotypes: which is meant, what is built, what dead ends leave."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from fbsearch.errors import ArchitectureError
from fbsearch.spaces import (
    Genotype,
    Stack,
    StackChanges,
    choose_stack,
    load_genotype,
    named_architecture,
    stack_cells,
    without_dead_ends,
)
from fbsearch.spaces.cell_conventions import CONVENTIONS
from fbsearch.spaces.genotypes import CellGenotype
from tests.spaces.genotypes.drawn import SMALL, genotypes


@settings(max_examples=25, deadline=None)
@given(genotypes())
def test_every_genotype_makes_a_network_of_its_edges(genotype: Genotype) -> None:
    nodes = {node.name: node for node in stack_cells(genotype, SMALL).nodes}
    kinds = {
        "darts": ["normal", "reduction", "reduction"],  # three cells, reductions among them
        "nasnet": ["normal", "reduction", "normal", "reduction", "normal"],
    }[genotype.conventions]
    for index, kind in enumerate(kinds):
        cell = genotype.cells()[kind]
        edges = [name for name in nodes if name.startswith((f"cells/{index}/left", f"cells/{index}/right"))]
        edges += [name for name in nodes if name.startswith(f"cells/{index}/edge")]
        assert len(edges) == sum(map(len, cell.nodes))


@settings(max_examples=40, deadline=None)
@given(genotypes())
def test_without_dead_ends_every_node_is_reached_and_taken(genotype: Genotype) -> None:
    try:
        live = without_dead_ends(genotype)
    except ArchitectureError as error:
        assert "nothing reaches the output" in str(error)
        return
    for cell in live.cells().values():
        taken = {source for edges in cell.nodes for _, source in edges} | set(cell.concat)
        assert set(range(2, cell.num_states)) <= taken
        assert all(op != "none" for edges in cell.nodes for op, _ in edges)
    assert without_dead_ends(live) == live
    before, after = stack_cells(genotype, SMALL), stack_cells(live, SMALL)
    weights = [sum(op.num_weights for op in architecture.operators()) for architecture in (before, after)]
    assert weights[1] <= weights[0]
    assert not any(op.is_constant for op in after.operators())


def test_nodes_are_counted_anew() -> None:
    cell = CellGenotype(
        nodes=((("none", 0), ("none", 1)), (("skip", 0), ("sep_conv_3x3", 2)), (("skip", 1), ("skip", 3))),
        concat=(4, 2, 3),
    )
    genotype = Genotype(name="mine", normal=cell, reduction=cell)
    live = without_dead_ends(genotype).normal
    assert live.nodes == ((("skip", 0),), (("skip", 1), ("skip", 2)))
    assert live.concat == (3, 2)


def test_what_is_dead_altogether_is_refused() -> None:
    good = load_genotype("darts_v2").normal
    dead = CellGenotype(nodes=((("none", 0), ("none", 1)),), concat=(2,))
    with pytest.raises(ArchitectureError, match="output of the reduction cell of 'mine'"):
        without_dead_ends(Genotype(name="mine", normal=good, reduction=dead))


@pytest.mark.parametrize("cells", range(3, 30))
@pytest.mark.parametrize("conventions", CONVENTIONS)
def test_cells_are_counted_as_each_release_counts_them(cells: int, conventions: str) -> None:
    rules = CONVENTIONS[conventions]  # type: ignore[index]  # a name of theirs
    stages = Stack(cells=cells, channels=8).stage_cells(rules)
    assert sum(stages) + 2 * rules.counts_reductions == cells
    assert min(stages) >= 0 and len(stages) == 3
    if conventions == "darts":  # reductions stand at a third and at two thirds of all cells
        assert (stages[0], stages[0] + 1 + stages[1]) == (cells // 3, 2 * cells // 3)


@pytest.mark.parametrize(
    ("genotype", "name", "expected"),
    [
        ("nasnet_a", "6 @ 768", (18, 32, 32)),
        ("nasnet_a", "6@768", (18, 32, 32)),
        ("nasnet_a", "7 @ 1920", (21, 80, 32)),
        ("nasnet_a", "6 @ 4032", (18, 168, 331)),
        ("darts_v2", "6 @ 576", (20, 36, 32)),
        ("darts_v2", "14 CELLS, ImageNet", (14, 48, 224)),
        ("darts_v2", None, (20, 36, 32)),
    ],
)
def test_a_stack_is_chosen_by_name_or_by_repeats_and_filters(
    genotype: str, name: str | None, expected: tuple[int, int, int]
) -> None:
    stack = choose_stack(load_genotype(genotype), name=name)
    assert (stack.cells, stack.channels, stack.resolution) == expected


def test_the_stem_goes_with_the_resolution_unless_it_is_named() -> None:
    genotype = load_genotype("nasnet_a")
    for changes, size in (
        (StackChanges(), "cifar"),
        (StackChanges(resolution=64), "cifar"),
        (StackChanges(resolution=65), "imagenet"),
        (StackChanges(resolution=224, stem="cifar"), "cifar"),
        (StackChanges(resolution=32, stem="imagenet"), "imagenet"),
    ):
        assert choose_stack(genotype, changes=changes).stem_size == size
    large = choose_stack(genotype, name="6 @ 4032")
    small = choose_stack(genotype, name="6 @ 4032", changes=StackChanges(resolution=32))
    assert (large.stem_channels, small.stem_channels) == (96, None)
    first = stack_cells(genotype, small.model_copy(update={"cells": 3, "channels": 4})).nodes[0]
    assert first.operator.key == "conv_k3_s1_identity_c3-12_r32"


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("six @ 768", {}, "allowed are '6 @ 768', '4 @ 1056', '6 @ 4032', and N @ F"),
        ("6 @ 770", {}, "multiple of 24 channels, not 770"),
        ("6 @ 0", {}, "not 0"),
        ("0 @ 768", {}, "0 cells; 3 to 300 are allowed"),
        ("999 @ 768", {}, "2997 cells"),
        (None, {"cells": 2}, "cells: "),
        (None, {"channels": 0}, "channels: "),
    ],
)
def test_stacks_that_are_none_are_refused(name: str | None, changes: dict[str, int], words: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        choose_stack(load_genotype("nasnet_a"), name=name, changes=StackChanges(**changes))
    assert words in str(caught.value)


def test_a_genotype_without_a_network_asks_for_one() -> None:
    bare = load_genotype("darts_v2").model_copy(update={"stacks": {}})
    with pytest.raises(ArchitectureError, match="give --cells and --channels"):
        choose_stack(bare, changes=StackChanges(cells=8))
    assert choose_stack(bare, changes=StackChanges(cells=8, channels=16)).num_classes == 10


def test_stems_that_cannot_be_built_are_refused() -> None:
    nasnet, darts = load_genotype("nasnet_a"), load_genotype("darts_v2")
    with pytest.raises(ArchitectureError, match="multiple of 4, not 6"):
        stack_cells(nasnet, Stack(cells=3, channels=6, resolution=224))
    with pytest.raises(ArchitectureError, match="even number of channels, not 5"):
        stack_cells(darts, Stack(cells=3, channels=5, resolution=224))


def test_other_sizes_by_name() -> None:
    architecture = named_architecture("snas_mild", resolution=224, num_classes=7)
    assert (architecture.resolution, architecture.num_classes, architecture.name) == (224, 7, "snas_mild")
    with pytest.raises(ArchitectureError, match="no multiplier"):
        named_architecture("snas_mild", width_multiplier=0.5)
