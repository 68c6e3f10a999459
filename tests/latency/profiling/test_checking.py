"""Fresh networks against a table's predictions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fbsearch.devices import Measurement
from fbsearch.errors import InvalidInputError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.naming import check_journal_path
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.measuring.whole_networks import network_name
from fbsearch.latency.profiling.calibrating import calibrate_table
from fbsearch.latency.profiling.checking import check_predictions, fresh_measurements, fresh_networks
from fbsearch.latency.profiling.profiling import profile
from tests.devices.simulated import simulated_models
from tests.latency.sample_table import sample_calibration, sample_table
from tests.latency.simulated_networks import (
    SPACE,
    NetworkDevice,
    Stop,
    StoppingDevice,
    simulated_network_us,
    simulated_networks,
)

ROOT = Path(__file__).parents[3]
PLAIN = sample_table(SPACE)
TABLE = PLAIN.with_calibration(sample_calibration(SPACE, PLAIN))


MODELS = ModelSource(operators=simulated_models, networks=simulated_networks)


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


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiled") / "table.json"
    profile(SPACE, NetworkDevice(), out=path, models=MODELS)
    return path.read_bytes()


@pytest.fixture
def path(profiled, tmp_path):
    """A plain table of the simulated device."""
    path = tmp_path / "table.json"
    path.write_bytes(profiled)
    return path


def fresh(path, device=None, *, num_networks=8, **options):
    table = LatencyTable.load(path)
    return fresh_measurements(
        table,
        SPACE,
        device or NetworkDevice(),
        path=path,
        num_networks=num_networks,
        models=MODELS,
        **options,
    )


def rounds_in(journal):
    rows = map(json.loads, journal.read_bytes().splitlines())
    return [(row["operator"], tuple(row["round_us"])) for row in rows if "operator" in row]


def check_kept(rounds, networks):
    """Every round that was on disk is part of its network's measurement."""
    named = {
        network_name(choices): measured
        for choices, measured in zip(networks.choices, networks.measurements, strict=True)
    }
    for name, values in rounds:
        assert values in named[name].rounds_us or named[name].num_discarded


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_fresh_networks_are_measured_truly_and_nothing_is_left(path, is_elsewhere):
    before = path.read_bytes()
    device = NetworkDevice(is_elsewhere=is_elsewhere)
    with fresh(path, device, seed=3) as networks:
        assert networks.choices == fresh_networks(SPACE, LatencyTable.load(path), 8, seed=3)
        for choices, measured in zip(networks.choices, networks.measurements, strict=True):
            assert measured.latency_us == pytest.approx(simulated_network_us(choices), rel=0.01)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    assert all(session.is_closed for runner in device.runners for session in runner.sessions)


@pytest.mark.parametrize("invocations", [0, 250, 500])
def test_an_interrupted_check_loses_no_round(path, invocations):
    journal = check_journal_path(path)
    with pytest.raises(Stop), fresh(path, StoppingDevice(invocations)):
        pass
    rounds = rounds_in(journal)
    with fresh(path) as networks:
        check_kept(rounds, networks)
    assert not journal.exists()


def test_what_is_measured_stays_until_it_is_put_to_use(path):
    with pytest.raises(Stop), fresh(path):
        raise Stop
    device = NetworkDevice()
    with fresh(path, device) as networks:
        assert len(networks.measurements) == 8
    assert device.machine.now == 0.0, "nothing is measured again"


def test_an_unfinished_check_of_another_kind_is_refused(path):
    with pytest.raises(Stop), fresh(path, StoppingDevice(500)):
        pass
    with pytest.raises(TableMismatchError, match=r"seed 0 then, 1 now.*copy the table elsewhere"):
        fresh(path, seed=1).__enter__()
    with pytest.raises(TableMismatchError, match="fresh_networks 8 then, 9 now"):
        fresh(path, num_networks=9).__enter__()
    calibrate_table(LatencyTable.load(path), SPACE, NetworkDevice(), out=path, num_networks=24, models=MODELS)
    with pytest.raises(TableMismatchError, match="calibrated None then"):
        fresh(path).__enter__()


@pytest.mark.parametrize("count", [1, 10**5])
def test_a_wrong_number_of_networks_leaves_no_journal(path, count):
    with pytest.raises(InvalidInputError, match="cannot check"):
        fresh(path, num_networks=count).__enter__()
    assert list(path.parent.iterdir()) == [path]


CHILD = """
import sys, time
from pathlib import Path

from tests.latency.simulated_networks import NetworkDevice
from tests.latency.profiling.test_checking import fresh

device = NetworkDevice()
take = device.machine.take
device.machine.take = lambda *args: time.sleep(1e-4) or take(*args)
with fresh(Path(sys.argv[1]), device):
    pass
"""


@pytest.mark.slow
def test_a_check_killed_at_any_moment_goes_on(path):
    """SIGKILL, twice, at different moments; no round that was on disk is lost."""
    journal, seen = check_journal_path(path), []
    for more in (5, 30):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT)
        while child.poll() is None and _num_lines(journal) < len(seen) + more:
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        content = journal.read_bytes()
        now = content[: content.rfind(b"\n") + 1].splitlines()
        assert now[: len(seen)] == seen, "what was there is still there"
        seen = now
    with fresh(path) as networks:
        check_kept(rounds_in(journal), networks)
    assert list(path.parent.iterdir()) == [path]


def _num_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0
