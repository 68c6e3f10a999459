"""A table's calibration: what it predicts, its file form, and everything that a file may get wrong."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fbsearch.costs import latency_cost
from fbsearch.errors import (
    CalibrationError,
    MissingOperatorError,
    TableError,
    TableFormatError,
    TableValueError,
)
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.calibration import calibrate, check_quality
from fbsearch.latency.calibration.records import repeatability
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_calibration, sample_table
from tests.spaces.chains import first_candidates

SPACE = load_space("digits")
PLAIN = sample_table(SPACE)
CALIBRATION = sample_calibration(SPACE, PLAIN)
TABLE = PLAIN.with_calibration(CALIBRATION)
DATA = json.loads(json.dumps(TABLE.to_dict()))


def test_save_and_load_are_inverse(tmp_path):
    TABLE.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert loaded.calibration == CALIBRATION and loaded.entries == TABLE.entries
    PLAIN.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json").calibration is None


def test_a_table_of_version_1_still_loads():
    data = json.loads(json.dumps(PLAIN.to_dict())) | {"version": 1}
    loaded = LatencyTable.from_dict(data)
    assert loaded.header == PLAIN.header and loaded.calibration is None
    assert loaded.to_dict()["version"] == 2
    with pytest.raises(TableFormatError, match="calibration"):
        LatencyTable.from_dict(DATA | {"version": 1})


def test_it_predicts_what_the_cost_says_and_the_cost_says_which_it_is():
    cost, plain = latency_cost(SPACE, TABLE), latency_cost(SPACE, TABLE, plain=True)
    assert cost.label == "calibrated with 24 whole networks"
    assert plain.label == latency_cost(SPACE, PLAIN).label == "plain sums of isolated operators"
    rng = np.random.default_rng(0)
    for _ in range(20):
        choices = SPACE.sample(rng)
        architecture = SPACE.decode(choices)
        assert cost.of(choices) == pytest.approx(CALIBRATION.predict_us(choices))
        assert cost.of(choices) == pytest.approx(TABLE.calibrated_us(architecture))
        assert plain.of(choices) == pytest.approx(TABLE.architecture_us(architecture))
        assert cost.of(choices) == pytest.approx(1.2 * plain.of(choices) - 5, rel=0.1)
    assert PLAIN.calibrated_us(SPACE.decode(choices)) is None


def test_another_space_gets_the_plain_sums_and_is_told_so():
    part = first_candidates(SPACE, 2)
    cost = latency_cost(part, TABLE)
    assert cost.label.startswith("plain sums") and "of another space" in cost.label
    assert cost.of((0,) * 4) == pytest.approx(TABLE.architecture_us(part.decode((0,) * 4)))
    assert TABLE.calibrated_us(part.decode((0,) * 4)) == pytest.approx(CALIBRATION.predict_us((0,) * 4))
    assert TABLE.calibrated_us(load_space("cifar").decode((0,) * 9)) is None


def test_its_diagnostics_say_how_good_it_is():
    diagnostics = CALIBRATION.diagnostics
    assert diagnostics.num_networks == 24 and diagnostics.num_unseen == 0
    assert 0.01 < diagnostics.mean_abs_error < 0.06 < diagnostics.sum_mean_abs_error
    assert diagnostics.mean_abs_error <= diagnostics.max_abs_error
    assert 0 < diagnostics.repeatability < 0.01
    few = sample_calibration(SPACE, PLAIN, num_networks=4)
    num_candidates = sum(len(slot.candidates) for slot in SPACE.decisions)
    assert few.diagnostics.num_unseen == num_candidates - 4 * len(SPACE.decisions)


def test_more_networks_change_the_fit():
    more = calibrate(
        CALIBRATION.terms,
        PLAIN.latency_us,
        [(n.choices, n.origin, n.measurement) for n in CALIBRATION.networks[:10]],
        protocol=PLAIN.protocol,
        seed=0,
        seconds=CALIBRATION.header.seconds,
    )
    assert more.networks == CALIBRATION.networks[:10]
    assert more.header.fit != CALIBRATION.header.fit


def test_repeatability_compares_odd_and_even_rounds():
    assert repeatability([(1.0, 2.0, 9.0)]) == 0.0
    assert repeatability([(10.0,), (11.0,), (10.0,), (11.0,)]) == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    ("repeatability", "error", "sums", "named"),
    [
        (0.15, 0.10, 0.10, None),
        (0.16, 0.01, 0.10, r"repeat to 16\.0% only, and at most 15\.0% is allowed"),
        (0.01, 0.11, 0.10, r"off by 11\.0%, plain sums by 10\.0%, and at most 10\.0% is allowed"),
        (0.03, 0.05, 0.01, None),
        (0.03, 0.06, 0.01, r"at most 5\.0% is allowed"),
    ],
)
def test_what_is_no_better_than_no_calibration_is_refused(repeatability, error, sums, named):
    figures = {
        "repeatability": repeatability,
        "mean_abs_error": error,
        "sum_mean_abs_error": sums,
    }
    diagnostics = CALIBRATION.diagnostics.model_copy(update=figures)

    def calibration(**bounds):
        protocol = CALIBRATION.header.protocol.model_copy(update=bounds)
        header = CALIBRATION.header.model_copy(update={"diagnostics": diagnostics, "protocol": protocol})
        return replace(CALIBRATION, header=header)

    if named is None:
        check_quality(calibration())
        return
    with pytest.raises(CalibrationError, match=named):
        check_quality(calibration())
    check_quality(calibration(max_repeatability=0.2, max_error_ratio=10.0))


NETWORK = ("calibration", "networks", 0)
FIT = ("calibration", "fit")


@pytest.mark.parametrize(
    ("path", "value", "error", "named"),
    [
        (("calibration",), None, TableFormatError, "calibration: must be an object"),
        (("calibration", "extra"), 1, TableFormatError, "extra"),
        (("calibration", "created"), "yesterday", TableFormatError, "created"),
        (("calibration", "seconds", "measuring"), -1.0, TableValueError, "seconds.measuring"),
        (("calibration", "slots"), [], TableFormatError, "slots"),
        (("calibration", "slots", 0, 0), "conv", TableFormatError, "conv"),
        (("calibration", "slots", 0, 0), "mbconv_k3_e6_s2_relu_c16-24_r99", MissingOperatorError, "r99"),
        (("calibration", "fixed", 0), 3, TableFormatError, "fixed"),
        ((*FIT, "slope"), float("nan"), TableValueError, "fit.slope"),
        ((*FIT, "slope"), 0.0, TableValueError, "fit.slope"),
        ((*FIT, "slope"), 1.5, TableValueError, "fit.slope is not what its networks give"),
        ((*FIT, "intercept_us"), 1e3, TableValueError, "fit.intercept_us is not what"),
        ((*FIT, "fixed_us"), 0.0, TableValueError, "fit.fixed_us is not what"),
        ((*FIT, "candidates_us", 0, 0), 1.0, TableValueError, "fit.candidates_us is not what"),
        ((*FIT, "candidates_us", 0, 0), float("inf"), TableValueError, "fit.candidates_us"),
        ((*FIT, "candidates_us", 0, 0), -1.0, TableValueError, "fit.candidates_us"),
        ((*FIT, "candidates_us", 0), [1.0], TableFormatError, "a number per key"),
        (("calibration", "diagnostics", "mean_abs_error"), 0.0, TableValueError, "diagnostics"),
        (("calibration", "diagnostics", "num_networks"), ..., TableFormatError, "diagnostics"),
        (("calibration", "networks"), {}, TableFormatError, "networks must be a list"),
        (("calibration", "networks"), [], TableValueError, "measure more"),
        (NETWORK, 1, TableFormatError, r"networks\[0\]"),
        ((*NETWORK, "choices"), [0], TableFormatError, r"networks\[0\]: choices"),
        ((*NETWORK, "choices", 0), 99, TableFormatError, r"networks\[0\]: choices"),
        ((*NETWORK, "choices", 0), True, TableFormatError, r"networks\[0\]: choices"),
        ((*NETWORK, "origin"), "luck", TableFormatError, "origin must be one of design, search"),
        ((*NETWORK, "sum_us"), ..., TableFormatError, "sum_us must be a number"),
        ((*NETWORK, "sum_us"), 1.0, TableValueError, "entries add up to"),
        ((*NETWORK, "sum_us"), 10**400, TableValueError, "sum_us"),
        ((*NETWORK, "latency_us"), 1.0, TableValueError, "its raw values give"),
        ((*NETWORK, "rounds_us", 0, 0), float("nan"), TableValueError, r"rounds_us\[0\] is nan"),
        ((*NETWORK, "rounds_us"), ..., TableFormatError, "'rounds_us' is missing"),
    ],
)
def test_each_defect_has_its_own_error(tmp_path, path, value, error, named):
    data = copy.deepcopy(DATA)
    _change(data, path, value)
    file = tmp_path / "table.json"
    file.write_text(json.dumps(data))
    with pytest.raises(error, match=named) as caught:
        LatencyTable.load(file)
    assert str(file) in str(caught.value) or error is MissingOperatorError
    assert "\n" not in str(caught.value)


def _change(data, path, value):
    *parents, last = path
    for name in parents:
        data = data[name]
    if value is ...:
        del data[last]
    else:
        data[last] = value


def _paths(value, prefix=()):
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _paths(inner, (*prefix, name))


SMALL = PLAIN.with_calibration(sample_calibration(SPACE, PLAIN, num_networks=5, num_values=1))
SMALL_DATA = json.loads(json.dumps(SMALL.to_dict()))
PATHS = [("calibration", *path) for path in _paths(SMALL_DATA["calibration"])]
VALUES = st.one_of(
    st.just(...),
    st.none(),
    st.booleans(),
    st.integers(-2, 30),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from([[], {}, 10**400, "skip_s1_c16-16_r8"]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), VALUES)
@example(("calibration", "diagnostics", "num_networks"), 10**400)  # no float is as large
def test_any_single_change_is_refused_or_harmless(path, value):
    data = copy.deepcopy(SMALL_DATA)
    _change(data, path, value)
    try:
        loaded = LatencyTable.from_dict(json.loads(json.dumps(data)))
    except TableError as error:
        assert "\n" not in str(error)
        return
    if loaded.calibration is None:
        assert path == ("calibration",) and value is ...
        return
    for choices in ((0, 1, 2, 3), (4, 3, 2, 1)):
        assert loaded.calibration.predict_us(choices) == pytest.approx(
            SMALL.calibration.predict_us(choices), rel=1e-3
        )
