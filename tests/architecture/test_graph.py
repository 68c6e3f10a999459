"""What of a graph computes."""

from __future__ import annotations

import pytest

from fbsearch.architecture import Architecture
from fbsearch.architecture.operators import Classifier, Conv
from fbsearch.errors import ArchitectureError
from tests.spaces.cells import SUMS_OPS, sums_space

SPACE = sums_space()


def edges_that_compute(*ops: str) -> list[str]:
    """Of the first cell, by the ops of edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
    architecture = SPACE.decode([SUMS_OPS.index(op) for op in ops])
    names = [node.name for node in architecture.computing_nodes]
    return [name.removeprefix("cells/0/edge_") for name in names if name.startswith("cells/0/edge_")]


@pytest.mark.parametrize(
    ("ops", "computing"),
    [
        (("skip",) * 6, ["0_1", "0_2", "1_2", "0_3", "1_3", "2_3"]),
        (("none", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "skip"), ["0_2", "0_3", "2_3"]),
        (("skip", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "none"), ["0_1", "0_3", "1_3"]),
        (("skip", "none", "conv_1x1", "none", "none", "skip"), ["0_1", "1_2", "2_3"]),
    ],
    ids=["all", "nothing comes in", "nobody takes it", "one way"],
)
def test_edges_compute_between_image_and_scores(ops: tuple[str, ...], computing: list[str]) -> None:
    assert sorted(edges_that_compute(*ops)) == sorted(computing)


def test_without_a_way_the_scores_do_not_see_the_image() -> None:
    blind = SPACE.decode([SUMS_OPS.index(op) for op in ("conv_3x3", "skip", "skip", "none", "none", "none")])
    assert blind.computing_nodes == () and not blind.sees_image
    assert SPACE.decode([SUMS_OPS.index("skip")] * 6).sees_image


def test_all_of_a_chain_computes() -> None:
    from fbsearch.spaces import named_architecture

    architecture = named_architecture("fbnet_a")
    assert architecture.computing_nodes == architecture.nodes


def test_pools_of_one_input_are_computed_once() -> None:
    codes = [
        SUMS_OPS.index(op) for op in ("avg_pool_3x3", "avg_pool_3x3", "skip", "skip", "conv_1x1", "conv_1x1")
    ]
    repeated = {name for name in SPACE.decode(codes).repeated_names if name.startswith("cells/0/")}
    assert repeated == {"cells/0/edge_0_1"}, "edge 0-2 runs before"


def test_pools_of_one_input_by_way_of_identities_are_computed_once() -> None:
    """Node 1 is a skip of the input and nothing else, so that its pool gives what the input's does."""
    codes = [SUMS_OPS.index(op) for op in ("skip", "none", "none", "avg_pool_3x3", "avg_pool_3x3", "none")]
    repeated = {name for name in SPACE.decode(codes).repeated_names if name.startswith("cells/0/")}
    assert len(repeated & {"cells/0/edge_0_3", "cells/0/edge_1_3"}) == 1 == len(repeated)


def test_what_a_constant_is_added_to_is_another_thing() -> None:
    """Node 1 gets nothing; a convolution behind it gives its norm's shift, which node 2 adds to the image."""
    codes = [
        SUMS_OPS.index(op) for op in ("none", "skip", "conv_1x1", "avg_pool_3x3", "none", "avg_pool_3x3")
    ]
    assert SPACE.decode(codes).repeated_names == frozenset()
    codes = [SUMS_OPS.index(op) for op in ("none", "skip", "skip", "avg_pool_3x3", "none", "avg_pool_3x3")]
    assert len({name for name in SPACE.decode(codes).repeated_names if name.startswith("cells/0/")}) == 1


def test_weights_that_cannot_be_are_refused_before_anything_is_built() -> None:
    wide = [Conv(40_000, 40_000, 1, activation="relu")] * 6
    groups = {"stem": [Conv(3, 40_000, 1)], "layers": wide, "head": [Classifier(40_000, 10, 1)]}
    with pytest.raises(ArchitectureError, match="its weights would take 36 GiB, more than the 32 GiB"):
        Architecture.chain("huge", groups)
