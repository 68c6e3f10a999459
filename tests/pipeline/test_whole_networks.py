"""The affine correction, and the choice among measured finalists."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fbsearch.costs import latency_cost
from fbsearch.errors import BudgetError, CheckpointError, MeasurementError
from fbsearch.latency import AffineCorrection, fit_affine
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.pipeline.searching import choose_measured
from fbsearch.pipeline.whole_networks import correct_table, load_correction
from fbsearch.search import Finalist
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table


def test_a_line_is_found_again():
    sums = np.array([100.0, 200.0, 400.0, 800.0])
    fit = fit_affine(sums, 12.0 + 1.15 * sums)
    assert (fit.intercept_us, fit.slope) == (pytest.approx(12.0), pytest.approx(1.15))
    assert fit.apply(300.0) == pytest.approx(357.0)
    assert AffineCorrection.from_dict(fit.to_dict()) == fit


@pytest.mark.parametrize(
    ("sums", "measured"), [([1.0], [1.0]), ([2.0, 2.0], [1.0, 3.0]), ([1.0, 2.0, 3.0], [9.0, 6.0, 3.0])]
)
def test_points_that_make_no_line_are_refused(sums, measured):
    with pytest.raises(MeasurementError):
        fit_affine(sums, measured)


def test_corrected_cost_of_an_architecture_is_the_corrected_sum():
    space = load_space("digits")
    table = sample_table(space)
    correction = AffineCorrection(-7.0, 1.2)
    cost = latency_cost(space, table, correction)
    choices = space.sample(np.random.default_rng(0))
    expected = correction.apply(table.architecture_us(space.decode(choices)))
    assert cost.of(choices) == pytest.approx(expected)


def test_the_correction_measures_the_ends_and_is_kept(tmp_path):
    space = load_space("digits")
    table = sample_table(space)
    cost = latency_cost(space, table)
    seen = []

    def meter(architectures):
        seen.extend(architectures)
        return [5.0 + 0.9 * table.architecture_us(architecture) for architecture in architectures]

    path = tmp_path / "correction.json"
    fit = correct_table(space, table, cost, count=6, seed=0, meter=meter, path=path)
    sums = [table.architecture_us(architecture) for architecture in seen]
    assert len(seen) == 6 and (min(sums), max(sums)) == pytest.approx(cost.range())
    assert load_correction(path) == fit
    assert (fit.intercept_us, fit.slope) == (pytest.approx(5.0), pytest.approx(0.9))
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=r"correction\.json"):
        load_correction(path)


class FakeSearch:
    """Proposes architectures whose predictions are too low by a constant factor."""

    def __init__(self, predicted_us: list[float], *, factor: float) -> None:
        self.predicted_us = predicted_us
        self.factor = factor
        self.task = SimpleNamespace(space=SimpleNamespace(decode=lambda choices: choices))
        self.measured: list[tuple[int, ...]] = []

    def finalists(self, bound_us: float) -> list[Finalist]:
        within = [i for i, predicted in enumerate(self.predicted_us) if predicted <= bound_us]
        if not within:
            raise BudgetError("below the cheapest")
        slowest_first = sorted(within, key=lambda i: -self.predicted_us[i])[:2]
        return [
            Finalist((i,), self.predicted_us[i], 0.0, 0.9 - 0.1 * rank, "sampled")
            for rank, i in enumerate(slowest_first)
        ]

    def measure(self, networks):
        self.measured.extend(networks)
        return [self.predicted_us[choices[0]] * self.factor for choices in networks]

    def choose(self, finalists):
        return 0

    def result(self, finalists, *, chosen, budget_us):
        return finalists[chosen]


def test_measured_finalists_over_the_budget_give_way_to_faster_ones():
    search = FakeSearch([50.0, 70.0, 80.0, 90.0, 95.0], factor=1.3)
    winner = choose_measured(search, 100.0, measure=search.measure, settings=ConfirmSettings(margin=0.03))
    assert winner.measured_us == pytest.approx(91.0)  # 70 predicted: the slowest that keeps 97
    assert len(set(search.measured)) == len(search.measured)  # nothing is measured twice


def test_no_finalist_within_the_budget_is_an_error_with_what_was_measured():
    search = FakeSearch([99.0, 100.0], factor=2.0)
    with pytest.raises(BudgetError):
        choose_measured(search, 100.0, measure=search.measure, settings=ConfirmSettings())
