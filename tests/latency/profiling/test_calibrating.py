"""Networks measured after a table's operators, or for a table that exists; killed at any moment."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from fbsearch.devices import MeasurementProtocol
from fbsearch.errors import CalibrationError, InvalidInputError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.naming import calibration_journal_path, journal_path
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.calibrating import calibrate_table, designed
from fbsearch.latency.profiling.profiling import profile
from fbsearch.spaces import load_space
from tests.devices.simulated import Machine, simulated_models
from tests.latency.designs import candidate_counts
from tests.latency.simulated_networks import (
    SPACE,
    NetworkDevice,
    Stop,
    StoppingDevice,
    simulated_network_us,
    simulated_networks,
)
from tests.spaces.cells import sums_space
from tests.spaces.chains import most_candidates

COUNT = 24


@pytest.fixture
def out(tmp_path):
    return tmp_path / "table.json"


MODELS = ModelSource(operators=simulated_models, networks=simulated_networks)


def profiled(out, device=None, *, num_networks=COUNT, **options):
    return profile(
        SPACE,
        device or NetworkDevice(),
        out=out,
        models=MODELS,
        num_networks=num_networks,
        **options,
    )


def calibrated(table, out, device=None, *, space=SPACE, num_networks=COUNT, **options):
    return calibrate_table(
        table,
        space,
        device or NetworkDevice(),
        out=out,
        num_networks=num_networks,
        models=MODELS,
        **options,
    )


def check(table):
    """Complete, balanced, true to what was simulated, and better than the line and the sums."""
    calibration = table.calibration
    chosen = [network.choices for network in calibration.networks]
    counts = candidate_counts(chosen, (len(SPACE.decisions), most_candidates(SPACE)))
    assert len(set(chosen)) == COUNT and counts.min() == counts.max() == COUNT // most_candidates(SPACE)
    for network in calibration.networks:
        assert network.latency_us == pytest.approx(simulated_network_us(network.choices), rel=0.01)
    rng = np.random.default_rng(5)
    fresh = [SPACE.sample(rng) for _ in range(100)]
    errors = [calibration.predict_us(one) / simulated_network_us(one) - 1 for one in fresh]
    assert np.abs(errors).mean() < 0.01
    diagnostics = calibration.diagnostics
    assert diagnostics.mean_abs_error < diagnostics.sum_mean_abs_error


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_profile_with_networks_is_a_calibrated_table(out, is_elsewhere):
    device = NetworkDevice(is_elsewhere=is_elsewhere)
    table = profiled(out, device)
    check(table)
    loaded = LatencyTable.load(out)
    assert loaded.calibration == table.calibration and loaded.header == table.header
    assert [path.name for path in out.parent.iterdir()] == ["table.json"]
    assert all(session.is_closed for runner in device.runners for session in runner.sessions)
    seconds = (table.seconds.measuring, table.calibration.header.seconds.measuring)
    assert all(value >= 0 for value in seconds)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_table_that_exists_is_calibrated_and_keeps_its_entries(out, is_elsewhere):
    plain = profiled(out, num_networks=0)
    assert plain.calibration is None
    table = calibrated(plain, out, NetworkDevice(is_elsewhere=is_elsewhere))
    check(table)
    loaded = LatencyTable.load(out)
    assert loaded.calibration == table.calibration
    assert loaded.entries == plain.entries and loaded.header == plain.header
    assert [path.name for path in out.parent.iterdir()] == ["table.json"]
    again = calibrated(loaded, out, seed=1)
    assert again.calibration.networks != table.calibration.networks


def events_of(path):
    header = json.loads(path.read_text().splitlines()[0])
    with Journal(path, header["identity"]) as journal:
        return list(journal.events), journal.networks


MANY = 10**6


@pytest.fixture(scope="module")
def num_invocations(tmp_path_factory):
    """What a whole profile takes, its networks among them."""
    device = StoppingDevice(MANY)
    profiled(tmp_path_factory.mktemp("whole") / "table.json", device)
    return MANY - device.left


@pytest.mark.parametrize("share", [0.3, 0.75, 0.95])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_an_interrupted_profile_loses_no_round(out, num_invocations, share, is_elsewhere):
    with pytest.raises(Stop):
        profiled(out, StoppingDevice(int(share * num_invocations), is_elsewhere=is_elsewhere))
    assert not out.exists()
    lines = journal_path(out).read_bytes().splitlines()
    _, planned = events_of(journal_path(out))
    with pytest.raises(Stop):
        profiled(out, StoppingDevice(300, is_elsewhere=is_elsewhere))
    assert journal_path(out).read_bytes().splitlines()[: len(lines)] == lines
    table = profiled(out)
    check(table)
    assert not journal_path(out).exists()
    kept = {f"network {'-'.join(map(str, n.choices))}": n.measurement for n in table.calibration.networks}
    for row in map(json.loads, lines):
        entry = kept.get(row.get("operator")) or table.entries.get(row.get("operator"))
        if entry is not None:
            assert tuple(row["round_us"]) in entry.rounds_us or entry.num_discarded
    if planned is not None:
        assert {network.choices for network in table.calibration.networks} == set(planned.choices)


@pytest.mark.parametrize("invocations", [0, 1000, 2000])
def test_an_interrupted_calibration_loses_no_round_and_the_table_stays(out, invocations):
    plain = profiled(out, num_networks=0)
    before = out.read_bytes()
    with pytest.raises(Stop):
        calibrated(plain, out, StoppingDevice(invocations))
    assert out.read_bytes() == before
    journal = calibration_journal_path(out)
    lines = journal.read_bytes().splitlines()
    table = calibrated(LatencyTable.load(out), out)
    check(table)
    assert not journal.exists()
    kept = {f"network {'-'.join(map(str, n.choices))}": n.measurement for n in table.calibration.networks}
    rows = [row for row in map(json.loads, lines) if "operator" in row]
    for row in rows:
        entry = kept[row["operator"]]
        assert tuple(row["round_us"]) in entry.rounds_us or entry.num_discarded


def test_a_kill_between_table_and_journal_costs_nothing(out, monkeypatch):
    plain = profiled(out, num_networks=0)
    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(Journal, "delete", lambda self: (_ for _ in ()).throw(Stop))
        calibrated(plain, out)
    assert LatencyTable.load(out).calibration is not None
    device = NetworkDevice()
    check(calibrated(LatencyTable.load(out), out, device))
    assert device.machine.now == 0.0, "nothing is measured again"


@pytest.mark.parametrize(
    ("options", "named"),
    [({"seed": 1}, "seed 0 then, 1 now"), ({"num_networks": 30}, "networks 24 then, 30 now")],
)
def test_an_unfinished_calibration_of_another_kind_is_refused(out, options, named):
    plain = profiled(out, num_networks=0)
    with pytest.raises(Stop):
        calibrated(plain, out, StoppingDevice(2000))
    with pytest.raises(TableMismatchError, match=named):
        calibrated(plain, out, **options)


def test_networks_that_make_no_calibration_leave_a_plain_table(out):
    with pytest.raises(CalibrationError, match=r"written without a calibration.*do not take longer"):
        profiled(out, NetworkDevice(slope=-0.5, machine=Machine()), num_networks=4)
    plain = LatencyTable.load(out)
    assert plain.calibration is None and not journal_path(out).exists()
    with pytest.raises(CalibrationError, match="do not take longer"):
        calibrated(plain, out, NetworkDevice(slope=-0.5), num_networks=4)
    assert not calibration_journal_path(out).exists()


BUSY = MeasurementProtocol(patience_s=0, max_discarded_rounds=4)


def test_what_did_not_converge_is_one_line(out, caplog):
    plain = profiled(out, num_networks=0)
    with caplog.at_level(logging.WARNING):
        calibrated(plain, out, NetworkDevice(Machine(noise=0.2)), num_networks=6, protocol=BUSY)
    assert [r.message for r in caplog.records if "whole networks did not converge" in r.message]


def test_networks_that_do_not_repeat_are_refused_and_may_be_accepted(out):
    plain = profiled(out, num_networks=0)
    before = out.read_bytes()
    busy = NetworkDevice(Machine(noise=1.2))
    with pytest.raises(CalibrationError, match=r"repeat to \d+\.\d% only, and at most 15\.0% is allowed"):
        calibrated(plain, out, busy, num_networks=8, protocol=BUSY)
    assert out.read_bytes() == before and list(out.parent.iterdir()) == [out]
    accepting = BUSY.model_copy(update={"max_repeatability": 10.0, "max_error_ratio": 10.0})
    table = calibrated(plain, out, NetworkDevice(Machine(noise=1.2)), num_networks=8, protocol=accepting)
    assert LatencyTable.load(out).calibration == table.calibration is not None


def test_a_profile_whose_networks_do_not_repeat_is_a_plain_table(out):
    protocol = BUSY.model_copy(update={"max_repeatability": 1e-9})
    with pytest.raises(CalibrationError, match=r"written without a calibration: .*'fbsearch calibrate "):
        profiled(out, num_networks=4, protocol=protocol)
    assert LatencyTable.load(out).calibration is None and list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("count", [1, 3, -4])
def test_too_few_networks_are_refused_before_anything_is_measured(out, count):
    device = NetworkDevice()
    with pytest.raises(InvalidInputError, match="at least 4"):
        profiled(out, device, num_networks=count)
    assert device.machine.now == 0.0 and not out.exists()


def test_a_table_of_another_space_or_device_is_refused(out):
    plain = profiled(out, num_networks=0)
    with pytest.raises(TableMismatchError, match="cifar"):
        calibrated(plain, out, space=load_space("cifar"))
    other = NetworkDevice()
    other.num_cores = 64
    with pytest.raises(TableMismatchError, match="was measured on"):
        calibrated(plain, out, other)


def test_networks_of_a_design_see_the_image():
    space = sums_space()
    networks = designed(
        space, lambda operator: 0.0 if operator.is_free else float(operator.in_channels), 24, 0
    )
    assert len(networks) == len(set(networks)) == 24
    assert all(space.decode(code).sees_image for code in networks)
