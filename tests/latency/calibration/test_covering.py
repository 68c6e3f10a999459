"""Designs that cover the operators: each as often as can be, and the same again with the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.latency.calibration.covering import choose_covering
from fbsearch.latency.calibration.designing import designed
from fbsearch.latency.calibration.terms import terms_of
from tests.devices.simulated import simulated_latency_us
from tests.latency.simulated_spaces import LOOSE
from tests.spaces.wide import WideSpace


def latency_us(operator):
    return simulated_latency_us(operator.key)


@given(st.integers(0, 10**6), st.integers(1, 30))
def test_what_is_chosen_is_distinct_and_covers_as_many_operators_as_greed_can(seed, count):
    counts = np.random.default_rng(seed).binomial(2, 0.1, (40, 25))
    chosen = choose_covering(counts, count)
    assert len(set(chosen)) == len(chosen) == count
    holds = counts > 0
    covered = np.zeros(25, bool)
    for index in chosen:
        best = (holds & ~covered).sum(axis=1).max()
        assert (holds[index] & ~covered).sum() == best
        covered |= holds[index]


def test_once_all_are_covered_the_rarest_come_first_again():
    counts = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert choose_covering(counts, 4) == (3, 0, 4, 1)


def test_the_fastest_and_the_slowest_come_first():
    counts = np.ones((6, 2), int)
    assert choose_covering(counts, 3, np.array([4.0, 2.0, 9.0, 1.0, 3.0, 8.0]))[:2] == (3, 2)
    assert choose_covering(counts, 1, np.arange(6.0)) == (0,)
    assert sorted(choose_covering(counts, 99)) == list(range(6)), "no more than there are"


def test_networks_of_a_space_without_independent_decisions_hold_every_operator_that_can_be():
    terms = terms_of(LOOSE)
    rng = np.random.default_rng(7)
    possible = {key for _ in range(300) for key in keys_of(LOOSE.decode(LOOSE.sample(rng)))}
    codes = designed(LOOSE, latency_us, 16, seed=0)
    assert len(set(codes)) == 16
    counts = terms.counts(terms.choices(LOOSE.decode(code)) for code in codes)
    often = dict(zip(terms.keys, (counts > 0).sum(axis=0).tolist(), strict=True))
    assert min(often[key] for key in possible) >= 3
    random = terms.counts(terms.choices(LOOSE.decode(LOOSE.sample(rng))) for _ in range(16))
    assert min(often[key] for key in possible) > min(
        count for key, count in zip(terms.keys, (random > 0).sum(axis=0), strict=True) if key in possible
    )


def keys_of(architecture):
    return [one.key for one in architecture.operators() if not one.is_free]


def test_the_same_seed_gives_the_same_networks_and_another_others():
    space = WideSpace(depth=2)
    first, again, other = (designed(space, latency_us, 8, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_small_space_gives_what_it_holds():
    tiny = WideSpace(depth=1, max_width=24)
    assert sorted(designed(tiny, latency_us, 20, seed=0)) == [(1,), (2,), (3,)]


def test_an_open_space_asks_for_no_latency():
    def refuse(operator):
        raise AssertionError(operator)

    assert len(designed(WideSpace(), refuse, 8, seed=0)) == 8
