"""The contract of a space: what is drawn from it lies in it, and comes back from JSON as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from fbsearch.architecture import Architecture, Node
from fbsearch.architecture.operators import MBConv, Skip
from fbsearch.errors import SpaceError
from fbsearch.spaces import (
    Candidate,
    Decision,
    FactoredSpace,
    Space,
    load_definition,
    load_space,
    parse_definition,
    preset_names,
    require_factored,
)
from fbsearch.spaces.choices import short_text
from tests.spaces.chains import most_candidates, operators_of


def space_of(num_candidates: int) -> FactoredSpace:
    """A space of two layers with so many candidates each."""
    candidates = ["skip", *(f"k3_e{e}" for e in range(1, num_candidates))]
    definition = {
        "name": "made", "resolution": 8, "num_classes": 2, "stem": {"channels": 8},
        "stages": [{"channels": 8, "layers": 2, "candidates": candidates}],
    }  # fmt: skip
    return parse_definition(definition, source="test").build()


def cells(
    *, reduction: str = "cell", stem: Any = None, conventions: str = "darts", channels: int = 4, **cell: Any
) -> Any:
    definition = {
        "name": "cells", "kind": "cells", "resolution": 16, "num_classes": 3, "channels": channels,
        "stages": 3, "cells_per_stage": 1, "cell": cell, "reduction": reduction, "stem": stem or {},
        "conventions": conventions,
    }  # fmt: skip
    return parse_definition(definition, source="test").build()


OPS = ["none", "skip", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3"]
SPACES: dict[str, Any] = {name: load_space(name) for name in preset_names()}
SPACES["zen by the paper"] = load_space("zen_cifar", sampler="uniform", mutation="paper", num_classes=7)
SPACES["zen with gates"] = load_space("zen_imagenet", squeeze_excite=True, resolution=64)
SPACES["wide"] = load_space("fbnet", width_multiplier=1.4, resolution=96, num_classes=7)
SPACES["many candidates"] = space_of(300)
SPACES["cells"] = cells(nodes=3, ops=OPS)
SPACES["chosen"] = cells(nodes=2, ops=["skip", "conv_3x3"], rule="chosen")
SPACES["loose"] = cells(nodes=2, ops=["skip", "conv_3x3"], rule="chosen", output="loose")
SPACES["a node that nobody takes"] = cells(
    nodes=2, ops=OPS, edges=[{"source": 0, "target": 2}, {"source": 1, "target": 3}], output=[2]
)
SPACES["every edge"] = load_definition("darts").with_every_edge().build()
SPACES["nasnet's conventions"] = cells(nodes=2, ops=["none", "skip", "conv_3x3"], conventions="nasnet")
SPACES["stem of convolutions"] = cells(nodes=1, ops=OPS, stem={"layout": "convolutions", "channels": 8})
SPACES["stem of cells"] = cells(nodes=1, ops=OPS, stem={"layout": "cells"}, channels=8)
SPACES["sums"] = cells(
    inputs=1,
    nodes=3,
    ops=["none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3"],
    output="last",
    reduction="block",
)
CHOICES = {name: space for name, space in SPACES.items() if hasattr(space, "decisions")}
"""Those whose codes are choices among listed candidates."""


@pytest.fixture(params=SPACES, ids=str)
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]


@pytest.fixture(params=CHOICES, ids=str)
def choice_space(request: pytest.FixtureRequest) -> FactoredSpace:
    return CHOICES[request.param]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_samples_come_back_from_json_as_they_were(space: Space, rng: np.random.Generator) -> None:
    for _ in range(20):
        choices = space.sample(rng)
        architecture = space.decode(choices)
        read = Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())))
        assert read == architecture
        assert space.encode(read) == choices
        assert architecture.num_classes == space.num_classes
        assert (architecture.resolution, architecture.in_channels) == (
            space.input.resolution,
            space.input.channels,
        )


def test_samples_reach_every_candidate(choice_space: FactoredSpace, rng: np.random.Generator) -> None:
    seen = [set[int]() for _ in choice_space.decisions]
    for _ in range(20 * most_candidates(choice_space)):
        for slot, choice in enumerate(choice_space.sample(rng)):
            seen[slot].add(choice)
    assert [len(s) for s in seen] == [len(slot.candidates) for slot in choice_space.decisions]


def test_a_mutation_stays_inside_and_changes_something(space: Space, rng: np.random.Generator) -> None:
    code = space.sample(rng)
    for _ in range(50):
        mutated = space.mutate(code, rng)
        assert mutated != code
        assert space.encode(space.decode(mutated)) == mutated
        code = mutated


def test_a_mutation_changes_one_slot(choice_space: FactoredSpace, rng: np.random.Generator) -> None:
    choices = choice_space.sample(rng)
    for _ in range(50):
        mutated = choice_space.mutate(choices, rng)
        assert sum(a != b for a, b in zip(choices, mutated, strict=True)) == 1
        choices = mutated


def test_the_same_generator_gives_the_same_codes(space: Space) -> None:
    first, second = (np.random.default_rng(3) for _ in range(2))
    code = space.sample(first)
    assert code == space.sample(second)
    assert space.mutate(code, first) == space.mutate(code, second)


def test_mutations_reach_every_neighbour(rng: np.random.Generator) -> None:
    space = space_of(4)
    reached = {space.mutate((1, 2), rng) for _ in range(300)}
    assert reached == {(a, 2) for a in (0, 2, 3)} | {(1, b) for b in (0, 1, 3)}


def test_the_size_is_the_product_of_the_candidates(choice_space: FactoredSpace) -> None:
    assert choice_space.size == math.prod(len(slot.candidates) for slot in choice_space.decisions)


def test_published_sizes() -> None:
    assert SPACES["fbnet"].size == 9**22
    assert SPACES["digits"].size == 6**4
    searched = {op for slot in SPACES["fbnet"].decisions for op in operators_of(slot)}
    assert len(searched) == 108  # facts of the method: distinct pairs of shape and candidate


def test_operators_are_distinct_and_cover_every_architecture(space: Space, rng: np.random.Generator) -> None:
    operators = space.operators()
    if operators is None:
        assert space.size is None, "what cannot be listed cannot be counted"
        return
    assert len(set(operators)) == len(operators)
    assert set(space.decode(space.sample(rng)).operators()) <= set(operators)


def test_codes_and_fingerprints_tell_apart(space: Space, rng: np.random.Generator) -> None:
    choices = space.sample(rng)
    assert short_text(choices) != short_text(space.mutate(choices, rng))
    assert space.decode(list(choices)) == space.decode(choices)
    assert short_text(choices) in space.decode(choices).name
    others = [other.fingerprint for other in SPACES.values() if other is not space]
    assert space.fingerprint not in others
    assert replace(space, name="renamed").fingerprint == space.fingerprint


def test_choices_outside_are_refused() -> None:
    space = space_of(3)
    with pytest.raises(SpaceError, match="3 choices given"):
        space.decode((0, 0, 0))
    for choice in (-1, 3):
        with pytest.raises(SpaceError, match="allowed are 0 to 2"):
            space.decode((0, choice))
    with pytest.raises(SpaceError, match="at layers/1"):
        space.mutate((0, 9), np.random.default_rng(0))


def test_architectures_of_another_space_are_refused() -> None:
    digits, cifar = SPACES["digits"], SPACES["cifar"]
    architecture = digits.decode((0, 0, 0, 0))
    with pytest.raises(SpaceError, match="is no candidate there"):
        cifar.encode(architecture)
    with pytest.raises(SpaceError, match="another stem or head"):
        load_space("digits", head_channels=64).encode(architecture)
    foreign = MBConv(16, 24, 16, kernel=7, stride=2, expansion=2, activation="relu")
    nodes = [
        replace(node, operator=foreign) if node.name == "layers/0" else node for node in architecture.nodes
    ]
    with pytest.raises(SpaceError, match="layers/0 of"):
        digits.encode(replace(architecture, nodes=tuple(nodes)))


def test_a_space_of_one_architecture_cannot_be_mutated() -> None:
    with pytest.raises(SpaceError, match="one architecture only"):
        space_of(1).mutate((0, 0), np.random.default_rng(0))


def test_decisions_refuse_what_is_no_choice() -> None:
    skip, wide = Skip(8, 8, 8), Skip(8, 16, 8)
    for names, candidates, words in (
        ((), (), "has no candidate"),
        (("a", "a"), (skip, wide), "twice"),
        (("a", "b"), (skip, skip), "twice"),
        (("a", "b"), (skip, wide), "differ in shape"),
    ):
        pairs = zip(names, candidates, strict=True)
        with pytest.raises(SpaceError, match=words):
            Decision("d", tuple(Candidate(n, (Node("x", op, ("input",)),)) for n, op in pairs))


@pytest.mark.parametrize(
    ("name", "num_cells"),
    [
        ("nasnet", 71_465_842_174_521_600),
        ("amoeba", 556_627_761_561_600),
        ("pnas", 556_627_761_561_600),
        ("enas", 5_062_500_000_000),
        ("darts", 241_591_910_400),
    ],
)
def test_cells_count_what_the_papers_count(name: str, num_cells: int) -> None:
    """71,465,842, 556,628, 556,628, 5,063 and 242 billion cells (Radosavovic et al., 2019, Table 2)."""
    assert load_definition(name).figures() == {"num_cells": num_cells, "num_reduction_cells": num_cells}
    assert SPACES[name].size == num_cells**2


@pytest.mark.parametrize(
    ("cell", "num_cells"),
    [
        ({"nodes": 2, "ops": ["skip", "conv_1x1"], "rule": "chosen"}, (2 * 2) ** 2 * (2 * 3) ** 2),
        ({"nodes": 1, "ops": ["skip", "none", "conv_1x1"], "rule": "chosen"}, (3 * 2) ** 2),
        ({"nodes": 2, "ops": ["skip"], "rule": "chosen", "output": "loose"}, 2**2 * 3**2),
        ({"nodes": 2, "ops": ["skip", "conv_1x1"], "inputs": 1, "rule": "chosen"}, 2**2 * 4**2),
        ({"nodes": 2, "ops": ["skip", "none", "conv_1x1"]}, 3**5),
        ({"nodes": 2, "ops": ["skip"], "edges": [{"source": 0, "target": 2, "ops": ["skip", "none"]},
                                                 {"source": 2, "target": 3}]}, 2),
    ],
)  # fmt: skip
def test_as_many_cells_can_be_written_out(cell: dict[str, Any], num_cells: int) -> None:
    """Of one stage without a reduction: every code, and so every cell, once."""
    definition = parse_definition(
        {"name": "small", "kind": "cells", "resolution": 4, "num_classes": 2, "channels": 2, "stages": 1,
         "cells_per_stage": 1, "cell": cell}, source="test",
    )  # fmt: skip
    space = definition.build()
    codes = list(product(*(range(len(one.candidates)) for one in space.decisions)))
    assert definition.figures() == {"num_cells": num_cells}
    assert len(codes) == num_cells == len({space.decode(code).nodes for code in codes})


def test_loose_ends_are_joined_and_no_factored_space() -> None:
    space = SPACES["loose"]
    with pytest.raises(SpaceError, match="a supernet needs independent decisions"):
        require_factored(space, "a supernet")
    widths = set()
    rng = np.random.default_rng(0)
    for _ in range(50):
        nodes = {node.name: node.operator for node in space.decode(space.sample(rng)).nodes}
        widths.add(nodes["cells/0/output"].out_channels if "cells/0/output" in nodes else 4)
    assert len(widths) > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ops": ["conv_2x2"]}, "is no operation of a cell"),
        ({"edges": [{"source": 2, "target": 2}]}, "edge 2 to 2"),
        ({"edges": [{"source": 0, "target": 2}]}, "no edge leads to node 3"),
        ({"edges": [{"source": 0, "target": 2}], "rule": "chosen"}, "leave 'edges' out"),
        ({"output": [0]}, "nodes are 2 to 3"),
        ({"nodes": 0}, "nodes"),
    ],
)
def test_cells_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        cells(**{"nodes": 2, "ops": ["skip", "conv_1x1"], **changes})


def test_a_published_cell_space_of_sums() -> None:
    """One input, four states, five ops on six edges, residual blocks between the stages (NAS-Bench-201)."""
    space = SPACES["sums"]
    assert space.size == 5**6
    assert [one.name for one in space.decisions][:3] == [
        "normal/edge_0_1",
        "normal/edge_0_2",
        "normal/edge_1_2",
    ]
    blocks = [node for node in space.decode((0,) * 6).nodes if node.name.endswith("/block")]
    assert len(blocks) == 2 and all(node.operator.stride == 2 for node in blocks)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stem": {"layout": "cells", "kernel": 5}}, "kernel has no meaning in a stem of layout 'cells'"),
        ({"stem": {"layout": "pyramid"}}, "stem.layout"),
        ({"stem": {"layout": "cells"}, "stages": 1}, "a stem of reduction cells needs a reduction cell"),
        ({"stem": {"layout": "cells"}, "channels": 6}, "must be a multiple of 4, not 6"),
        ({"stem": {"layout": "convolutions", "channels": 7}}, "even number of channels, not 7"),
        ({"conventions": "mine"}, "conventions"),
        (
            {"conventions": "nasnet", "cell": {"nodes": 1, "ops": ["skip", "conv_1x1"]}},
            "holds a candidate twice",
        ),
    ],
)
def test_stems_and_conventions_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    definition = {
        "name": "cells", "kind": "cells", "resolution": 32, "num_classes": 3, "channels": 4,
        "cell": {"nodes": 1, "ops": ["none", "skip"]},
    }  # fmt: skip
    parse_definition(definition, source="test").build()
    with pytest.raises(SpaceError) as caught:
        parse_definition(definition | changes, source="test").build()
    assert words in str(caught.value)


def test_spaces_of_cells_keep_the_fingerprints_of_their_tables() -> None:
    assert SPACES["sums"].fingerprint == ("cc68bfc0389430f1390b8535b024751eed616860fb9ecb34bc23f5ee90f9eae6")
