"""Spaces without independent decisions the whole way: profiled, calibrated, priced and checked."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from fbsearch.costs import architecture_latency
from fbsearch.devices import LocalDevice, MeasurementProtocol
from fbsearch.errors import MissingOperatorError, TableFormatError, TableValueError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import designed
from fbsearch.latency.profiling.calibrating import calibrate_table
from fbsearch.latency.profiling.checking import check_predictions, fresh_measurements, fresh_networks
from fbsearch.latency.profiling.growing import grow_for_networks
from fbsearch.latency.profiling.profiling import profile
from fbsearch.spaces import load_space
from tests.latency.simulated_spaces import LOOSE, SpaceDevice, in_context_us, models_of
from tests.spaces.wide import WideSpace

WIDE = WideSpace()


@pytest.fixture(scope="module", params=["loose", "wide"])
def case(request, tmp_path_factory):
    """A space with a table calibrated for it on a simulated device."""
    space = LOOSE if request.param == "loose" else WIDE
    path = tmp_path_factory.mktemp(request.param) / "table.json"
    profile(space, SpaceDevice(space), out=path, models=models_of(space), num_networks=16)
    return space, path


def test_calibrated_values_are_near_what_networks_take_and_sums_are_not(case, tmp_path):
    space, original = case
    path = tmp_path / "table.json"
    path.write_bytes(original.read_bytes())
    table = LatencyTable.load(path)
    assert len(table.calibration.networks) == 16 and table.calibration.matches(space)
    figures = table.calibration.diagnostics
    assert figures.mean_abs_error < 0.03 < figures.sum_mean_abs_error
    device, models = SpaceDevice(space), models_of(space)
    codes = fresh_networks(space, table, 10, seed=1)
    table = grow_for_networks(path, space, lambda: codes, device, models=models)
    with fresh_measurements(
        table, space, device, path=path, num_networks=10, models=models, seed=1
    ) as networks:
        assert networks.choices == codes
        checked = check_predictions(space, table, networks.choices, networks.measurements)
    assert checked.calibrated.to_dict()["mean_abs_error"] < 0.03
    assert checked.plain.to_dict()["mean_abs_error"] > 0.1
    assert list(path.parent.iterdir()) == [path]


def test_the_cost_of_an_architecture_is_what_the_table_says(case):
    space, path = case
    table = LatencyTable.load(path)
    codes = designed(space, table.latency_us, 16, seed=0)
    cost, plain = architecture_latency(space, table), architecture_latency(space, table, plain=True)
    assert cost.label == "calibrated with 16 whole networks"
    assert plain.label == "plain sums of isolated operators"
    for network, code in zip(table.calibration.networks, codes, strict=True):
        architecture = space.decode(code)
        assert cost.of(architecture) == table.calibration.predict_us(network.choices)
        assert cost.of(architecture) == pytest.approx(in_context_us(architecture), rel=0.05)
        assert plain.of(architecture) == pytest.approx(network.sum_us)


def test_it_comes_back_from_its_file_and_an_edited_one_does_not(case):
    _, path = case
    table = LatencyTable.load(path)
    data = json.loads(json.dumps(table.to_dict()))
    assert LatencyTable.from_dict(data).calibration == table.calibration
    for change, error, named in (
        (lambda one: one["fit"]["candidates_us"][0].__setitem__(0, 1e4), TableValueError, "candidates_us"),
        (lambda one: one["fit"]["block_shares"].__setitem__(0, 0.9), TableValueError, "block_shares"),
        (lambda one: one["fit"]["block_shares"].pop(), TableFormatError, "block_shares must hold"),
        (lambda one: one.update(space="none"), TableFormatError, "space"),
        (lambda one: one.update(places=["layers/0"]), TableFormatError, "no fixed and no places"),
        (lambda one: one.update(fixed=["x"]), TableFormatError, "no fixed and no places"),
        (lambda one: one["networks"][0]["choices"].append(999), TableFormatError, "choices"),
        (lambda one: one["networks"][0]["choices"].append(0), TableValueError, "entries add up to"),
    ):
        changed = copy.deepcopy(data)
        change(changed["calibration"])
        with pytest.raises(error, match=named) as caught:
            LatencyTable.from_dict(changed)
        assert "\n" not in str(caught.value)


def test_it_speaks_for_no_other_space(case):
    space, path = case
    table = LatencyTable.load(path)
    other = WideSpace(depth=5) if space is WIDE else load_space("digits")
    assert not table.calibration.matches(other) and table.calibration_for(other) is None
    assert "of another space" in architecture_latency(WideSpace(depth=5), table).label


def test_an_operator_that_was_in_no_network_takes_the_line_and_what_its_block_has_in_common(tmp_path):
    path = tmp_path / "table.json"
    profile(WIDE, SpaceDevice(WIDE), out=path, models=models_of(WIDE), num_networks=24)
    architecture = WIDE.decode((11, 77, 200))
    with pytest.raises(MissingOperatorError, match="conv_k1_s1_relu_c3-88_r16"):
        architecture_latency(WIDE, LatencyTable.load(path)).of(architecture)
    table = grow_for_networks(path, WIDE, lambda: [(11, 77, 200)], SpaceDevice(WIDE), models=models_of(WIDE))
    assert table.calibration.choices_of(architecture) is None
    predicted, true = table.calibrated_us(architecture), in_context_us(architecture)
    assert predicted == pytest.approx(true, rel=0.05)
    line = table.calibration.header.fit
    line_us = line.intercept_us + line.slope * table.architecture_us(architecture)
    assert abs(predicted / true - 1) < abs(line_us / true - 1)


def test_a_table_that_lacks_an_operator_of_the_design_is_not_calibrated(tmp_path):
    path = tmp_path / "table.json"
    first = list(WIDE.decode((1, 2, 3)).operators())
    table = profile(WIDE, SpaceDevice(WIDE), out=path, operators=first, models=models_of(WIDE))
    device = SpaceDevice(WIDE)
    with pytest.raises(MissingOperatorError, match="fbsearch table grow"):
        calibrate_table(table, WIDE, device, out=path, num_networks=8, models=models_of(WIDE))
    assert device.machine.now == 0.0


QUICK = MeasurementProtocol(
    warmup_ms=2, round_ms=2, sentinel_ms=1, max_rounds=12, patience_s=2, max_repeatability=5,
    max_error_ratio=100,
)  # fmt: skip


@pytest.mark.slow
def test_an_open_space_on_this_computer(tmp_path):
    """Sampled, grown, priced, calibrated and checked with real models; how well is not tested here."""
    space, path, device = WideSpace(max_width=16, resolution=8), tmp_path / "table.json", LocalDevice()
    first = list(space.decode((1, 2, 1)).operators())
    profile(space, device, out=path, operators=first, protocol=QUICK)
    grow_for_networks(path, space, lambda: [(2, 2, 1)], device)
    table = grow_for_networks(path, space, lambda: designed(space, lambda op: 0.0, 4, 0), device)
    calibrated = calibrate_table(table, space, device, out=path, num_networks=4)
    codes = fresh_networks(space, calibrated, 2, seed=1)
    table = grow_for_networks(path, space, lambda: codes, device)
    assert all(architecture_latency(space, table).of(space.decode(code)) > 0 for code in codes)
    with fresh_measurements(table, space, device, path=path, num_networks=2, seed=1) as networks:
        checked = check_predictions(space, table, networks.choices, networks.measurements)
    assert checked.calibrated is not None and np.isfinite(checked.calibrated.errors).all()
    assert LatencyTable.load(path).calibration is not None
