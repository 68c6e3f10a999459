import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices.measurement import Measurement, median_interval, min_rounds_for, round_us


def test_latency_is_the_median_of_the_rounds_medians():
    rounds = ((1.0, 2.0, 90.0), (4.0, 4.0), (3.0,))
    measurement = Measurement(rounds)
    assert measurement.round_medians_us == (2.0, 4.0, 3.0)
    assert measurement.latency_us == 3.0
    values = np.array([1.0, 2.0, 90.0, 4.0, 4.0, 3.0])
    assert measurement.min_us == 1.0
    assert measurement.mean_us == pytest.approx(values.mean())
    assert measurement.std_us == pytest.approx(values.std())
    assert measurement.p95_us == pytest.approx(np.percentile(values, 95))


def test_order_statistics_by_the_binomial_table():
    """Ranks of the 95 % interval of a median, as tabulated for the sign test."""
    ranks = {6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 17: 5, 20: 6, 24: 7}
    for n, rank in ranks.items():
        assert median_interval(tuple(range(1, n + 1)), 0.95) == (rank, n + 1 - rank)


def test_too_few_rounds_give_no_interval_and_never_converge():
    assert median_interval((1.0,) * 5, 0.95) == (-math.inf, math.inf)
    measurement = Measurement(((5.0,),) * 5)
    assert measurement.relative_ci == math.inf and not measurement.is_converged
    assert Measurement(((5.0,),) * 6).is_converged


@given(st.floats(0.05, 0.999))
def test_fewest_rounds_are_exactly_enough(confidence):
    n = min_rounds_for(confidence)
    assert math.isfinite(median_interval(tuple(range(n)), confidence)[0])
    if n > 1:
        assert not math.isfinite(median_interval(tuple(range(n - 1)), confidence)[0])


def test_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for n in (8, 13):
        draws = rng.lognormal(0.0, 1.0, size=(4000, n))  # skewed, median 1
        hits = [low <= 1.0 <= high for low, high in (median_interval(tuple(d), 0.95) for d in draws)]
        assert np.mean(hits) > 0.94


def test_one_slow_round_in_nine_does_not_widen_the_interval():
    quiet = [(100.0 + i / 10,) for i in range(8)]
    assert Measurement((*quiet, (900.0,))).relative_ci < 0.005


@pytest.mark.parametrize(("value", "kept"), [(1234.56, 1234.6), (99.994, 99.99), (0.001, 0.01)])
def test_raw_values_are_rounded_but_never_to_zero(value, kept):
    assert round_us(value) == kept
