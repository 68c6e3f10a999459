"""Fresh networks against a table's predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fbsearch.devices import Measurement
from fbsearch.errors import InvalidInputError
from fbsearch.latency.checking import check_predictions, fresh_networks
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_calibration, sample_table

SPACE = load_space("digits")
PLAIN = sample_table(SPACE)
TABLE = PLAIN.with_calibration(sample_calibration(SPACE, PLAIN))


def measured_as(latency_us):
    return Measurement(((latency_us,) * 3, (latency_us * 1.02,) * 3) * 4)


def test_fresh_networks_are_distinct_repeatable_and_none_of_the_calibration():
    fresh = fresh_networks(SPACE, TABLE, 50, seed=3)
    assert len(set(fresh)) == 50 and fresh == fresh_networks(SPACE, TABLE, 50, seed=3)
    assert fresh != fresh_networks(SPACE, TABLE, 50, seed=4)
    assert not set(fresh) & {network.choices for network in TABLE.calibration.networks}


@pytest.mark.parametrize("count", [1, 10**5])
def test_more_networks_than_there_are_and_too_few_are_refused(count):
    with pytest.raises(InvalidInputError, match=f"cannot check with {count} networks"):
        fresh_networks(SPACE, TABLE, count, seed=0)


def test_the_figures_are_those_of_hand_calculation():
    choices = fresh_networks(SPACE, TABLE, 4, seed=0)
    sums = [PLAIN.architecture_us(SPACE.decode(one)) for one in choices]
    factors = [1.0, 1.25, 0.98, 1.02]
    medians = [total * factor * 1.01 for total, factor in zip(sums, factors, strict=True)]
    measurements = [measured_as(total * factor) for total, factor in zip(sums, factors, strict=True)]
    checked = check_predictions(SPACE, PLAIN, choices, measurements)
    assert checked.calibrated is None and checked.best is checked.plain
    assert checked.measured_us == pytest.approx(medians)
    errors = [1 / (1.01 * factor) - 1 for factor in factors]
    figures = checked.plain.to_dict()
    assert figures["mean_error"] == pytest.approx(np.mean(errors))
    assert figures["mean_abs_error"] == pytest.approx(np.mean(np.abs(errors)))
    assert figures["max_abs_error"] == pytest.approx(np.max(np.abs(errors)))
    assert figures["share_within_5_percent"] == 0.75
    assert checked.repeatability == pytest.approx(1 - 1 / 1.02)
    assert "plain sums are off by" in checked.verdict and "75% of them within 5 %" in checked.verdict


def test_calibrated_values_are_compared_beside_the_plain_sums():
    choices = fresh_networks(SPACE, TABLE, 20, seed=0)
    measurements = [measured_as(TABLE.calibration.predict_us(one) / 1.01) for one in choices]
    checked = check_predictions(SPACE, TABLE, choices, measurements)
    assert checked.calibrated.to_dict()["max_abs_error"] < 1e-9
    assert checked.calibrated.to_dict()["spearman"] == pytest.approx(1.0)
    assert checked.plain.to_dict()["mean_abs_error"] > 0.05
    assert checked.verdict.startswith("calibrated values")
    data = json.loads(json.dumps(checked.to_dict()))
    assert data["num_networks"] == 20 and len(data["calibrated"]["predicted_us"]) == 20
