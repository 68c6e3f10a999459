"""The contract of a space: what is drawn from it lies in it, and comes back from JSON as it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fbsearch.architecture import Architecture, Operator
from fbsearch.errors import SpaceError
from fbsearch.spaces import LayerwiseSpace, Slot, load_space, parse_definition, preset_names


def space_of(num_candidates: int) -> LayerwiseSpace:
    """A space of two layers with so many candidates each."""
    candidates = ["skip", *(f"k3_e{e}" for e in range(1, num_candidates))]
    definition = {
        "name": "made", "resolution": 8, "num_classes": 2, "stem": {"channels": 8},
        "stages": [{"channels": 8, "layers": 2, "candidates": candidates}],
    }  # fmt: skip
    return parse_definition(definition, source="test").build()


SPACES = {name: load_space(name) for name in preset_names()}
SPACES["wide"] = load_space("fbnet", width_multiplier=1.4, resolution=96, num_classes=7)
SPACES["many candidates"] = space_of(300)


@pytest.fixture(params=SPACES, ids=str)
def space(request: pytest.FixtureRequest) -> LayerwiseSpace:
    return SPACES[request.param]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_samples_come_back_from_json_as_they_were(space: LayerwiseSpace, rng: np.random.Generator) -> None:
    for _ in range(20):
        choices = space.sample(rng)
        architecture = space.decode(choices)
        read = Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())))
        assert read == architecture
        assert space.encode(read) == choices
        assert architecture.num_classes == space.num_classes
        assert (architecture.resolution, architecture.in_channels) == (space.resolution, space.in_channels)


def test_samples_reach_every_candidate(space: LayerwiseSpace, rng: np.random.Generator) -> None:
    seen = [set[int]() for _ in space.slots]
    for _ in range(20 * space.max_candidates):
        for slot, choice in enumerate(space.sample(rng)):
            seen[slot].add(choice)
    assert [len(s) for s in seen] == [len(slot.candidates) for slot in space.slots]


def test_a_mutation_changes_one_slot_and_stays_inside(
    space: LayerwiseSpace, rng: np.random.Generator
) -> None:
    choices = space.sample(rng)
    for _ in range(50):
        mutated = space.mutate(choices, rng)
        assert sum(a != b for a, b in zip(choices, mutated, strict=True)) == 1
        space.decode(mutated)
        choices = mutated


def test_mutations_reach_every_neighbour(rng: np.random.Generator) -> None:
    space = space_of(4)
    reached = {space.mutate((1, 2), rng) for _ in range(300)}
    assert reached == {(a, 2) for a in (0, 2, 3)} | {(1, b) for b in (0, 1, 3)}


def test_the_size_is_the_product_of_the_candidates(space: LayerwiseSpace) -> None:
    assert space.num_architectures == math.prod(len(slot.candidates) for slot in space.slots)


def test_published_sizes() -> None:
    assert SPACES["fbnet"].num_architectures == 9**22
    assert SPACES["digits"].num_architectures == 6**4
    searched = {op for slot in SPACES["fbnet"].slots for op in slot.candidates}
    assert len(searched) == 108  # facts of the method: distinct pairs of shape and candidate


def test_operators_are_distinct_and_cover_every_architecture(
    space: LayerwiseSpace, rng: np.random.Generator
) -> None:
    operators = space.operators()
    assert len(set(operators)) == len(operators)
    assert set(space.decode(space.sample(rng)).operators()) <= set(operators)


def test_codes_and_fingerprints_tell_apart(space: LayerwiseSpace, rng: np.random.Generator) -> None:
    choices = space.sample(rng)
    assert space.code(choices) == space.code(list(choices))
    assert space.code(choices) != space.code(space.mutate(choices, rng))
    assert space.code(choices) in space.decode(choices).name
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
    with pytest.raises(SpaceError, match="at layer 1"):
        space.mutate((0, 9), np.random.default_rng(0))


def test_architectures_of_another_space_are_refused() -> None:
    digits, cifar = SPACES["digits"], SPACES["cifar"]
    architecture = digits.decode((0, 0, 0, 0))
    with pytest.raises(SpaceError, match=r"has 4 layers, space 'cifar' has 9 slots"):
        cifar.encode(architecture)
    with pytest.raises(SpaceError, match="another stem or head"):
        load_space("digits", head_channels=64).encode(architecture)
    foreign = Operator("mbconv", 16, 24, 16, kernel=7, stride=2, expansion=2, activation="relu")
    with pytest.raises(SpaceError, match="layer 0 of"):
        digits.encode(replace(architecture, layers=(foreign, *architecture.layers[1:])))


def test_a_space_of_one_architecture_cannot_be_mutated() -> None:
    with pytest.raises(SpaceError, match="one architecture only"):
        space_of(1).mutate((0, 0), np.random.default_rng(0))


def test_slots_refuse_what_is_no_choice() -> None:
    skip, wide = Operator("skip", 8, 8, 8), Operator("skip", 8, 16, 8)
    for names, candidates, words in (
        ((), (), "at least one candidate"),
        (("a",), (skip, wide), "a name for each"),
        (("a", "a"), (skip, wide), "twice"),
        (("a", "b"), (skip, skip), "twice"),
        (("a", "b"), (skip, wide), "differ in shape"),
    ):
        with pytest.raises(SpaceError, match=words):
            Slot(names, candidates)
