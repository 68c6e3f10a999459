"""Latency in an open space: the table's own numbers where it has them, estimates elsewhere, and how much."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbsearch.architecture import Operator
from fbsearch.costs import architecture_latency, estimating_latency, searchable_latency
from fbsearch.costs.work import count_work
from fbsearch.devices import Measurement
from fbsearch.errors import EstimationError, MissingOperatorError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.calibration import calibrate
from fbsearch.latency.calibration.terms import terms_of
from fbsearch.latency.entries.header import TableSeconds
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table
from tests.latency.tables_of import table_of
from tests.spaces.wide import WideSpace

WIDE = WideSpace(max_width=256)
RNG = np.random.default_rng(3)
KNOWN = [WIDE.sample(RNG) for _ in range(12)]


def law_us(operator: Operator) -> float:
    work = count_work(operator)
    return 2 + 5e-5 * sum(work.num_macs.values()) + 1e-4 * work.memory_access


def operators_of(codes) -> list[Operator]:
    return [operator for code in codes for operator in WIDE.decode(code).operators()]


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return table_of(WIDE, operators_of(KNOWN), law_us, noise=0.01)


@pytest.fixture(scope="module")
def latency(table):
    return estimating_latency(WIDE, table)


widths = st.lists(st.integers(1, 32), min_size=3, max_size=3).map(tuple)


@given(code=st.sampled_from(KNOWN))
@settings(max_examples=20, deadline=None)
def test_what_is_measured_is_taken_exactly(latency, table, code):
    architecture = WIDE.decode(code)
    estimate = latency.estimate(architecture)
    assert latency.of(code) == estimate.latency_us == table.architecture_us(architecture)
    assert (estimate.estimated_share, estimate.relative_error, estimate.words) == (0.0, 0.0, "0 % estimated")


@given(code=widths)
@settings(max_examples=30, deadline=None)
def test_what_is_missing_is_estimated_near_the_law_and_its_share_told(latency, table, code):
    architecture = WIDE.decode(code)
    estimate = latency.estimate(architecture)
    operators = list(architecture.operators())
    missing = [one for one in operators if one.key not in table.entries]
    assert estimate.latency_us == pytest.approx(sum(map(law_us, operators)), rel=0.15)
    share = sum(map(law_us, missing)) / sum(map(law_us, operators))
    assert estimate.estimated_share == pytest.approx(share, abs=0.1)
    assert 0 <= estimate.estimated_share <= 1
    assert (estimate.relative_error > 0) == bool(missing) == (estimate.estimated_share > 0)


def test_errors_are_within_what_is_stated(latency):
    rng = np.random.default_rng(9)
    within = []
    for code in (WIDE.sample(rng) for _ in range(40)):
        architecture = WIDE.decode(code)
        estimate = latency.estimate(architecture)
        truth = sum(map(law_us, architecture.operators()))
        within.append(abs(estimate.latency_us / truth - 1) <= 2 * estimate.relative_error + 0.02)
    assert np.mean(within) > 0.85


def test_the_label_says_how_much_is_estimated(latency):
    assert latency.label.startswith("plain sums of isolated operators; of a random network ")
    assert "% estimated, error ±" in latency.label


def test_a_missing_operator_stays_an_error_where_estimates_are_not_asked_for(table):
    missing = WIDE.decode((31, 30, 29))
    with pytest.raises(MissingOperatorError):
        architecture_latency(WIDE, table).of(missing)


def test_what_is_far_outside_keeps_no_budget(table):
    wide = WideSpace(max_width=8192)
    narrow = replace(table, header=table.header)
    latency = estimating_latency(wide, narrow)
    assert latency.of((1024, 1024, 1024)) == math.inf
    assert latency.estimate(wide.decode((1024, 1024, 1024))).estimated_share == 1.0
    assert latency.of(KNOWN[0]) < math.inf


def test_a_table_of_a_few_operators_estimates_nothing():
    few = table_of(WIDE, operators_of(KNOWN[:1]), law_us)
    with pytest.raises(EstimationError, match="fbsearch table grow"):
        estimating_latency(WIDE, few)


def test_only_open_spaces_are_estimated_for_a_search(table):
    digits = load_space("digits")
    assert searchable_latency(digits, sample_table(digits)).range()[0] > 0
    assert searchable_latency(WIDE, table).of((31, 30, 29)) > 0


def test_a_calibration_counts_for_estimates_too(table):
    networks = [WIDE.decode(code) for code in KNOWN]
    terms = terms_of(WIDE, networks)
    measured = [
        (
            terms.choices(one),
            "design",
            Measurement(((round(30 + 1.5 * table.architecture_us(one), 2),) * 3,) * 8),
        )
        for one in networks
    ]
    seconds = TableSeconds(converting=1.0, measuring=1.0)
    calibration = calibrate(
        terms, table.latency_us, measured, protocol=table.protocol, seed=0, seconds=seconds
    )
    latency = estimating_latency(WIDE, table.with_calibration(calibration))
    assert latency.label.startswith("calibrated with 12 whole networks; ")
    for code in (KNOWN[0], (20, 11, 7)):
        truth = 30 + 1.5 * sum(map(law_us, WIDE.decode(code).operators()))
        assert latency.of(code) == pytest.approx(truth, rel=0.15)
    assert estimating_latency(WIDE, table, plain=True).label.startswith("plain sums")
