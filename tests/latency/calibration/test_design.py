"""The design of a calibration: balanced, with both ends, repeatable."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.latency.calibration.design import design_networks
from tests.latency.designs import candidate_counts


@st.composite
def latencies(draw):
    """Ragged latencies; some layers have one candidate, some candidates take no or equal time."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    rows = np.full((len(sizes), max(sizes)), np.nan)
    for index, size in enumerate(sizes):
        rows[index, :size] = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    return rows


@given(latencies(), st.integers(4, 20), st.integers(0, 9))
def test_the_networks_are_distinct_and_as_many_as_there_are(rows, count, seed):
    networks = design_networks(rows, count, np.random.default_rng(seed))
    num_architectures = int(np.prod(np.isfinite(rows).sum(axis=1)))
    assert len(networks) == len(set(networks)) == min(count, num_architectures)
    assert networks == design_networks(rows, count, np.random.default_rng(seed))
    for choices in networks:
        assert all(np.isfinite(rows[slot, i]) for slot, i in enumerate(choices))


@given(latencies(), st.integers(4, 20), st.integers(0, 9))
def test_the_fastest_and_the_slowest_are_among_them(rows, count, seed):
    networks = design_networks(rows, count, np.random.default_rng(seed))
    sums = [sum(rows[slot, i] for slot, i in enumerate(choices)) for choices in networks]
    assert min(sums) == np.nanmin(rows, axis=1).sum() and max(sums) == np.nanmax(rows, axis=1).sum()


@given(st.integers(2, 9), st.integers(4, 22), st.integers(4, 60), st.integers(0, 9))
def test_every_candidate_of_every_layer_stands_equally_often(num_candidates, num_slots, count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(1, 9, (num_slots, num_candidates))
    networks = design_networks(rows, count, rng)
    if num_candidates**num_slots < 50 * count:
        return  # so small a space cannot avoid repetitions, and their replacements are random
    counts = candidate_counts(networks, rows.shape)
    assert counts.sum() == count * num_slots
    assert counts.max() - counts.min() <= 1


def test_a_small_space_is_measured_whole():
    rows = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]])
    networks = design_networks(rows, 50, np.random.default_rng(0))
    assert sorted(networks) == list(itertools.product(range(2), range(3)))
    assert candidate_counts(networks, (2, 3)).tolist() == [[3, 3, 0], [2, 2, 2]]
