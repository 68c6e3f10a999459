"""Networks of published genotypes have the parameters and multiply-adds of their authors' code."""

from __future__ import annotations

import pytest
import torch

from fbsearch.costs import count_architecture
from fbsearch.nn import Network
from fbsearch.spaces import (
    StackChanges,
    auxiliary_place,
    choose_stack,
    genotype_names,
    load_genotype,
    stack_cells,
    without_dead_ends,
)

PARAMETERS = {
    "darts_v2": 3_349_342,
    "darts_v1": 3_169_414,
    "snas_moderate": 2_847_358,
    "snas_aggressive": 2_313_622,
    "snas_mild": 2_661_382,
    "nasnet_a": 3_328_234,
}
"""Of the first network of each: 20 cells of 36 channels, and 6 @ 768."""

OWN = {"amoebanet_a": 3_145_078, "pnasnet": 4_481_110, "enas_micro": 3_729_430}
"""Nobody published these with as much detail; they must not move by accident."""


@pytest.mark.parametrize("name", [*PARAMETERS, *OWN])
def test_parameters_are_the_published_ones_exactly(name: str) -> None:
    genotype = load_genotype(name)
    architecture = stack_cells(genotype, choose_stack(genotype))
    assert count_architecture(architecture).num_params == {**PARAMETERS, **OWN}[name]


def test_every_genotype_is_counted() -> None:
    assert set(genotype_names()) == {*PARAMETERS, *OWN}


def test_without_dead_ends_the_aggressive_genotype_is_smaller() -> None:
    genotype = without_dead_ends(load_genotype("snas_aggressive"))
    assert genotype.reduction.nodes == ((("sep_conv_5x5", 0),), (("sep_conv_5x5", 0),))
    assert genotype.reduction.concat == (2, 3)
    counts = count_architecture(stack_cells(genotype, choose_stack(genotype)))
    assert counts.num_params == 2_209_942


@pytest.mark.parametrize(
    ("stack", "num_params", "num_macs"),
    [("6 @ 768", 3_328_234, 525.8e6), ("4 @ 1056", 5_287_076, 557.7e6), ("6 @ 4032", 88_743_820, 23.8006e9)],
)
def test_nasnet_a_counts_at_every_published_size(stack: str, num_params: int, num_macs: float) -> None:
    genotype = load_genotype("nasnet_a")
    counts = count_architecture(stack_cells(genotype, choose_stack(genotype, name=stack)))
    assert counts.num_params == num_params
    assert counts.num_macs == pytest.approx(num_macs, rel=1e-3)


def test_the_network_that_is_built_has_as_many() -> None:
    genotype = load_genotype("nasnet_a")
    with torch.device("meta"):
        network = Network(stack_cells(genotype, choose_stack(genotype)))
        assert sum(p.numel() for p in network.parameters()) == PARAMETERS["nasnet_a"]


def test_the_image_stem_of_darts_divides_the_resolution_by_eight() -> None:
    genotype = load_genotype("darts_v2")
    architecture = stack_cells(genotype, choose_stack(genotype, name="14 cells, ImageNet"))
    nodes = {node.name: node for node in architecture.nodes}
    assert nodes["cells/0/in_0"].operator.resolution == 56
    assert nodes["cells/0/in_1"].operator.resolution == 28
    assert count_architecture(architecture).num_params == pytest.approx(4.7e6, rel=0.01)  # as published


@pytest.mark.parametrize(
    ("name", "stack", "place"),
    [
        ("darts_v2", "20 cells", "cells/13/output"),  # the second reduction cell
        ("nasnet_a", "6 @ 768", "cells/12/output"),  # the normal cell before it
        ("nasnet_a", "4 @ 1056", "cells/10/output"),  # likewise, after two reduction cells of the stem
    ],
)
def test_the_auxiliary_head_has_its_place(name: str, stack: str, place: str) -> None:
    genotype = load_genotype(name)
    chosen = choose_stack(genotype, name=stack)
    assert auxiliary_place(genotype, chosen) == place
    nodes = {node.name: node for node in stack_cells(genotype, chosen).nodes}
    assert nodes[place].operator.output.resolution * 2 ** (name == "darts_v2") == {
        "20 cells": 16, "6 @ 768": 16, "4 @ 1056": 14,
    }[stack]  # fmt: skip


def test_a_reduction_input_is_skipped_where_the_release_does() -> None:
    """The cell behind a reduction takes what stands before the reduction's own last input."""
    genotype = load_genotype("nasnet_a")
    taken = {}
    for stack in ("4 @ 1056", "6 @ 4032"):
        small = choose_stack(genotype, name=stack, changes=StackChanges(cells=6, channels=8))
        nodes = {node.name: node for node in stack_cells(genotype, small).nodes}
        taken[stack] = [nodes[f"cells/{cell}/in_0"].inputs for cell in (5, 6)]
    assert taken["4 @ 1056"] == [("cells/3/output",), ("cells/4/output",)]
    assert taken["6 @ 4032"] == [("cells/2/output",), ("cells/4/output",)]
