"""Estimates of operators that a table lacks: near the law behind it, and no surer than they may be."""

from __future__ import annotations

import numpy as np
import pytest

from fbsearch.architecture import Operator
from fbsearch.architecture.operators import Classifier, Conv, MaxPool, MBConv
from fbsearch.costs.work import count_work
from fbsearch.errors import EstimationError
from fbsearch.latency.estimation.estimator import FAR, MIN_OF_GROUP, OperatorEstimator, fit_estimator
from tests.latency.tables_of import table_of
from tests.spaces.wide import WideSpace

WIDE = WideSpace()
NOISE = 0.03


def law_us(operator: Operator) -> float:
    """Work at a rate for each form, slow 7x7 depthwise kernels, and a few percent of something smooth."""
    work = count_work(operator)
    rates = {"pointwise": 4e-5, "dense": 6e-5, "grouped": 3e-4}
    macs_us = sum(
        n * rates[sort] * (5 if (sort, kernel) == ("grouped", 7) else 1)
        for (sort, kernel), n in work.num_macs.items()
    )
    smooth = 1 + 0.1 * np.sin(np.log(operator.in_channels))
    return (1.5 + macs_us + 2e-4 * work.memory_access) * smooth


def draw(rng: np.random.Generator) -> Operator:
    narrow, wide, size = int(rng.integers(1, 33)), int(rng.integers(1, 33)), int(rng.choice([4, 8, 16]))
    place = (8 * narrow, 8 * wide, size)
    if rng.random() < 0.5:
        return Conv(*place, kernel=int(rng.choice([1, 3])), activation="relu")
    expansion, kernel = int(rng.choice([1, 2, 4])), int(rng.choice([3, 5, 7]))
    return MBConv(*place, kernel=kernel, expansion=expansion, activation="relu")


OPERATORS = list(dict.fromkeys(draw(np.random.default_rng([0, i])) for i in range(90)))
OTHERS = [one for one in (draw(np.random.default_rng([1, i])) for i in range(60)) if one not in OPERATORS]


@pytest.fixture(scope="module")
def estimator() -> OperatorEstimator:
    return fit_estimator(table_of(WIDE, OPERATORS, law_us, noise=NOISE), count_work)


def errors_of(estimator: OperatorEstimator, operators) -> np.ndarray:
    estimates = [estimator.estimate(one).latency_us for one in operators]
    return np.array(estimates) / [law_us(one) for one in operators] - 1


def test_operators_that_were_not_measured_are_estimated_near_the_law(estimator):
    errors = np.abs(errors_of(estimator, OTHERS))
    assert np.median(errors) < 2 * NOISE
    assert np.quantile(errors, 0.9) < 5 * NOISE


def test_the_stated_error_is_that_of_operators_that_were_not_measured(estimator):
    stated, seen = estimator.errors, np.abs(errors_of(estimator, OTHERS))
    assert stated.num_operators == len(OPERATORS)
    assert stated.median <= stated.nine_in_ten
    assert np.median(seen) < 1.5 * stated.median
    assert stated.mean < 3 * seen.mean() + NOISE


def test_estimates_say_how_sure_they_are(estimator):
    errors = np.abs(errors_of(estimator, OTHERS))
    deviations = np.array([estimator.estimate(one).relative_error for one in OTHERS])
    assert np.mean(errors < 2 * deviations) > 0.85
    assert np.all(deviations < 0.5)


def test_a_slow_kernel_is_known_by_itself(estimator):
    fast, slow = (MBConv(64, 64, 8, kernel=k, expansion=4, activation="relu") for k in (5, 7))
    ratio = estimator.estimate(slow).latency_us / estimator.estimate(fast).latency_us
    assert ratio == pytest.approx(law_us(slow) / law_us(fast), rel=0.25)


def test_every_operator_is_predicted_from_others():
    """One that is ten times slower than its like, and known, says so in the stated error, not in its fit."""
    odd = OPERATORS[:40]
    honest = fit_estimator(table_of(WIDE, odd, law_us), count_work)
    wrong = fit_estimator(
        table_of(WIDE, odd, lambda one: law_us(one) * (10 if one is odd[0] else 1)), count_work
    )
    assert wrong.errors.mean > honest.errors.mean + 0.9 / len(odd) / 2


def test_what_neighbours_share_adds_up(estimator):
    one = OTHERS[0]
    alone = estimator.total_error_us([one])
    assert estimator.total_error_us([one, one]) > 1.4 * alone
    assert estimator.total_error_us([]) == 0
    assert alone == pytest.approx(
        estimator.estimate(one).latency_us * np.log1p(estimator.estimate(one).relative_error), rel=1e-6
    )


class TestRefusals:
    def test_a_kind_that_the_table_has_too_few_of(self, estimator):
        with pytest.raises(
            EstimationError, match=r"classifier_c64-10_r4.*fewer than 4 of its kind.*table grow"
        ):
            estimator.estimate(Classifier(64, 10, 4))

    def test_a_choice_that_is_no_number_is_a_kind_of_its_own(self, estimator):
        with pytest.raises(EstimationError, match=r"fewer than 4 of its kind \(mbconv hswish"):
            estimator.estimate(MBConv(16, 16, 8, kernel=3, expansion=2, activation="hswish"))

    def test_a_kernel_that_nothing_measured_has(self, estimator):
        with pytest.raises(EstimationError, match="none with dense 5x5 kernels"):
            estimator.estimate(Conv(16, 16, 8, kernel=5, activation="relu"))

    def test_a_table_with_too_few_operators(self):
        few = OPERATORS[: MIN_OF_GROUP - 1]
        with pytest.raises(EstimationError, match="takes at least 8; measure some: fbsearch table grow"):
            fit_estimator(table_of(WIDE, few, law_us), count_work)


class TestOutside:
    def test_within_what_was_measured_nothing_is_extrapolated(self, estimator):
        estimate = estimator.estimate(Conv(64, 64, 8, kernel=1, activation="relu"))
        assert (estimate.outside, estimate.is_extrapolated, estimate.is_far) == (1.0, False, False)

    def test_outside_is_flagged_and_less_sure(self, estimator):
        inside = estimator.estimate(Conv(128, 128, 16, kernel=1, activation="relu"))
        outside = estimator.estimate(Conv(512, 512, 16, kernel=1, activation="relu"))
        assert outside.is_extrapolated and not outside.is_far
        assert outside.relative_error > inside.relative_error

    def test_far_outside_is_told(self, estimator):
        far = estimator.estimate(Conv(2048, 2048, 32, kernel=3, activation="relu"))
        assert far.is_far and far.outside > FAR


def test_operators_without_layers_are_estimated_too():
    pools = [MaxPool(8 * n, 8 * n, 16, kernel=3, stride=s) for n in range(1, 9) for s in (1, 2)]

    def pool_us(one: Operator) -> float:
        return 1 + 1e-3 * (one.inputs[0].num_elements + one.output.num_elements)

    estimator = fit_estimator(table_of(WIDE, pools[::2] + pools[1::4], pool_us), count_work)
    assert estimator.estimate(pools[3]).latency_us == pytest.approx(pool_us(pools[3]), rel=0.1)
