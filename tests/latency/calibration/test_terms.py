"""What a calibration tells apart in networks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fbsearch.errors import TableFormatError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.places import Places
from fbsearch.latency.calibration.terms import OperatorTerms, PlaceTerms, terms_of
from fbsearch.spaces import load_space, parse_definition
from tests.latency.sample_table import sample_calibration, sample_table
from tests.latency.simulated_spaces import LOOSE
from tests.spaces.wide import WideSpace

DIGITS = load_space("digits")
CELLS = parse_definition(
    {
        "name": "cells", "kind": "cells", "resolution": 8, "num_classes": 3, "channels": 4, "stages": 2,
        "cells_per_stage": 1, "cell": {"nodes": 2, "ops": ["skip", "none", "conv_3x3"]},
    },
    source="test",
).build()  # fmt: skip
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("space", [DIGITS, CELLS])
def test_a_place_has_one_term_in_every_network(space):
    terms = terms_of(space)
    assert isinstance(terms, PlaceTerms) and len(terms.keys) == len(terms.places)
    codes = [space.sample(RNG) for _ in range(20)]
    told = [terms.choices(space.decode(code)) for code in codes]
    assert told == [Places.of(space).choices(code) for code in codes]
    counts = terms.counts(told)
    for place in range(len(terms.slots)):
        assert (counts[:, terms.places == place].sum(axis=1) == 1).all()


def test_a_network_with_something_else_at_a_place_is_none_of_them():
    terms = terms_of(DIGITS)
    architecture = DIGITS.decode(DIGITS.sample(RNG))
    assert terms.choices(load_space("digits", head_channels=48).decode((0,) * 4)) is None
    assert terms.choices(architecture) is not None
    assert terms_of(CELLS).choices(architecture) is None


def test_without_places_an_operator_counts_as_often_as_it_stands():
    terms = terms_of(LOOSE)
    assert isinstance(terms, OperatorTerms) and terms.places is None and terms.fixed == ()
    for _ in range(20):
        architecture = LOOSE.decode(LOOSE.sample(RNG))
        charged = [one.key for one in architecture.operators() if not one.is_free]
        [counts] = terms.counts([terms.choices(architecture)])
        assert dict(zip(terms.keys, counts.tolist(), strict=True)) == {
            key: charged.count(key) for key in terms.keys
        }


def test_an_open_space_has_the_terms_of_the_networks_at_hand():
    space = WideSpace()
    first, second = space.decode((1, 2, 3)), space.decode((4, 2, 3))
    terms = terms_of(space, [first])
    assert terms.keys == tuple(one.key for one in first.operators())
    assert terms.choices(first) == (0, 1, 2, 3) and terms.choices(second) is None
    assert terms.speak_for(terms_of(space)) and not terms.speak_for(terms_of(WideSpace(depth=4)))
    assert not terms.speak_for(terms_of(DIGITS)) and not terms_of(DIGITS).speak_for(terms)


@pytest.mark.parametrize(
    ("space", "choices", "is_allowed"),
    [
        (DIGITS, (0, 1, 2, 3), True),
        (DIGITS, (0, 1, 2), False),
        (DIGITS, (0, 1, 2, 99), False),
        (DIGITS, (0, 1, 2, -1), False),
        (LOOSE, (0,), True),
        (LOOSE, (5, 5, 0), True),
        (LOOSE, (), False),
        (LOOSE, (0, 999), False),
        (LOOSE, (-1,), False),
    ],
)
def test_choices_that_stand_for_no_term_are_told(space, choices, is_allowed):
    assert terms_of(space).allows(choices) == is_allowed


@pytest.mark.parametrize("change", [lambda names: names.pop(), lambda names: names.__setitem__(0, names[1])])
def test_a_file_names_every_place_and_each_once(change):
    table = sample_table(DIGITS)
    data = json.loads(json.dumps(replace(table, calibration=sample_calibration(DIGITS, table)).to_dict()))
    change(data["calibration"]["places"])
    with pytest.raises(TableFormatError, match="places must hold a name of its own for each row of slots"):
        LatencyTable.from_dict(data)
