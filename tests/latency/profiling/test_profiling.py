import json
import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fbsearch.devices import AdbDefinition, LocalDevice, MeasurementProtocol, ModelRound, SentinelReading
from fbsearch.errors import ExportError, MeasurementError, TableError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.conversion import converted_in
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.naming import default_table_path, journal_path
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.estimate import estimate_networks_seconds, estimate_profile_seconds
from fbsearch.latency.profiling.profiling import profile
from fbsearch.spaces import load_space
from tests.devices.simulated import Machine, SimulatedDevice, simulated_latency_us, simulated_models

SPACE = load_space("digits")
KEYS = [op.key for op in SPACE.operators() if not op.is_identity]
ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests/devices/data/tiny.tflite"


def simulate(out, device=None, *, space=SPACE, **options):
    device = device or SimulatedDevice()
    return profile(space, device, out=out, models=ModelSource(operators=simulated_models), **options)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "tables" / "table.json"


def test_a_profile_is_a_complete_table_of_true_latencies(out):
    table = simulate(out, how=RuntimeChoice(threads=2), seed=3)
    assert list(table.entries) == KEYS
    for key, entry in table.entries.items():
        assert entry.latency_us == pytest.approx(simulated_latency_us(key), rel=0.01)
    loaded = LatencyTable.load(out)
    assert loaded.entries == table.entries and loaded.header == table.header
    loaded.check_space(SPACE)
    assert (table.space_name, table.runtime.threads, table.header.seed) == ("digits", 2, 3)
    assert table.device.name == "simulated" and table.warnings == ()
    assert table.sentinel.operator == SENTINEL.key and table.sentinel.num_windows > 0
    assert table.seconds.measuring >= 0 and table.seconds.converting >= 0
    assert [path.name for path in out.parent.iterdir()] == ["table.json"]


def test_every_session_is_closed(out):
    device = SimulatedDevice()
    simulate(out, device)
    sessions = device.runners[0].sessions
    assert len(sessions) == len(KEYS) + 1 and all(session.is_closed for session in sessions)


def test_what_never_converges_is_told_in_the_table_and_on_screen(out, caplog):
    protocol = MeasurementProtocol(patience_s=0, max_rounds=8)
    with caplog.at_level(logging.WARNING):
        table = simulate(out, SimulatedDevice(Machine(noise=0.8)), protocol=protocol)
    assert not all(entry.is_converged for entry in table.entries.values())
    assert any("not converged" in warning for warning in table.warnings)
    assert 1 < len(caplog.records) <= 6
    assert "more warnings" in caplog.records[-1].message
    assert LatencyTable.load(out).warnings == table.warnings


BUSY = "busy most of the time"


def undisturbed(share):
    """A device that is slow all the rest of the time."""
    return SimulatedDevice(Machine(slowness=lambda now: 1.0 if now % 0.5 < 0.5 * share else 1.3))


@pytest.mark.parametrize(("pace", "is_advised"), [("undisturbed", True), ("usual", False)])
def test_a_computer_that_is_hardly_ever_undisturbed_is_measured_at_its_usual_pace(out, pace, is_advised):
    protocol = MeasurementProtocol(patience_s=0, pace=pace, max_discarded_rounds=10)
    table = simulate(out, undisturbed(0.1), protocol=protocol)
    assert any(BUSY in warning for warning in table.warnings) == is_advised


def test_a_computer_that_is_undisturbed_often_enough_needs_no_advice(out):
    table = simulate(out, undisturbed(0.3), protocol=MeasurementProtocol(patience_s=0))
    assert 2 * table.sentinel.num_discarded_windows > table.sentinel.num_windows
    assert not any(BUSY in warning for warning in table.warnings)


class Stop(Exception):
    pass


class StoppingDevice(SimulatedDevice):
    """Fails after so many invocations, as a cable does when it is pulled."""

    def __init__(self, invocations):
        super().__init__()
        self.left = invocations

    def runner(self, runtime, *, threads, precision="fp32"):
        runner = super().runner(runtime, threads=threads)
        take = self.machine.take

        def limited(latency_us, noise=None):
            self.left -= 1
            if self.left < 0:
                raise Stop
            return take(latency_us, noise)

        self.machine.take = limited
        return runner


def journal_events(out, seed=0):
    header = json.loads(journal_path(out).read_text().splitlines()[0])
    with Journal(journal_path(out), header["identity"]) as journal:
        return list(journal.events)


@pytest.mark.parametrize("invocations", [0, 300, 4000, 6000, 9000])
def test_an_interrupted_profile_goes_on_and_keeps_every_round(out, invocations):
    with pytest.raises(Stop):
        simulate(out, StoppingDevice(invocations))
    assert not out.exists()
    before = [event for event in journal_events(out) if isinstance(event, ModelRound)]
    table = simulate(out)
    assert list(table.entries) == KEYS and not journal_path(out).exists()
    for event in before:
        entry = table.entries[event.name]
        assert event.values_us in entry.rounds_us or entry.num_discarded


@pytest.mark.parametrize(
    ("options", "device", "named"),
    [
        ({"how": RuntimeChoice(threads=2)}, SimulatedDevice(), "runtime.threads 1 then, 2 now"),
        ({"seed": 1}, SimulatedDevice(), "seed 0 then, 1 now"),
        ({"protocol": MeasurementProtocol(max_rounds=30)}, SimulatedDevice(), "protocol.max_rounds 24 then"),
        ({"space": load_space("digits", resolution=32)}, SimulatedDevice(), "space.fingerprint"),
        ({}, SimulatedDevice(version="2.0"), "runtime.version '1.0' then, '2.0' now"),
        ({}, SimulatedDevice(num_cores=8), "device"),
    ],
)
def test_an_unfinished_profile_of_another_kind_is_refused(out, options, device, named):
    with pytest.raises(Stop):
        simulate(out, StoppingDevice(4000))
    before = journal_path(out).read_bytes()
    with pytest.raises(TableMismatchError) as caught:
        simulate(out, device, **options)
    assert named in str(caught.value)
    assert journal_path(out).read_bytes() == before


def test_a_kill_between_table_and_journal_costs_nothing(out):
    """The table is there and so is the whole journal: the next run measures nothing anew."""
    with pytest.raises(Stop):
        simulate(out, StoppingDevice(4000))
    events = journal_events(out)
    table = simulate(out)
    journal = journal_path(out)
    journal.write_text("")  # rebuilt below from the table's own rounds
    header = None
    with pytest.raises(Stop):
        simulate(out, StoppingDevice(0))
    header = json.loads(journal.read_text().splitlines()[0])["identity"]
    journal.unlink()
    with Journal(journal, header) as rebuilt:
        rebuilt.append(SentinelReading(150.0, 0.0, True))
        for key, entry in table.entries.items():
            for values in entry.rounds_us:
                rebuilt.append(ModelRound(key, values))
    device = SimulatedDevice()
    again = simulate(out, device)
    assert events and device.machine.now == 0.0
    assert {k: e.latency_us for k, e in again.entries.items()} == {
        k: e.latency_us for k, e in table.entries.items()
    }


def test_a_table_that_cannot_be_written_loses_no_round(out, monkeypatch):
    def full(self, path):
        raise TableError(f"{path}: cannot write the table: No space left on device")

    with monkeypatch.context() as patched, pytest.raises(TableError, match="No space left"):
        patched.setattr(LatencyTable, "save", full)
        simulate(out)
    device = SimulatedDevice()
    assert list(simulate(out, device).entries) == KEYS
    assert device.machine.now == 0.0, "nothing is measured again"


def test_a_read_only_place_is_refused_before_anything_is_converted(tmp_path):
    (tmp_path / "file").write_text("")
    called = []
    with pytest.raises(TableError, match="cannot write"):
        profile(
            SPACE,
            SimulatedDevice(),
            out=tmp_path / "file" / "t.json",
            models=ModelSource(operators=lambda operators: called.append(1) or iter(())),
        )
    assert not called


def test_models_converted_elsewhere_are_found_by_key(tmp_path):
    (tmp_path / f"{KEYS[0]}.tflite").touch()
    (tmp_path / f"{KEYS[1]}-0123456789abcdef.tflite").touch()
    operators = {op.key: op for op in SPACE.operators()}
    find = converted_in(tmp_path, "tflite")
    found = dict(find([operators[KEYS[0]], operators[KEYS[1]]]))
    assert [path.name.split(".")[0] for path in found.values()] == [KEYS[0], f"{KEYS[1]}-0123456789abcdef"]
    with pytest.raises(ExportError, match=f"holds no models of {KEYS[2]}"):
        list(find([operators[KEYS[2]]]))


def test_a_bad_model_names_the_file(out, tmp_path):
    for key in [*KEYS, SENTINEL.key]:
        (tmp_path / f"{key}.tflite").write_bytes(TINY.read_bytes())
    (tmp_path / f"{KEYS[3]}.tflite").write_bytes(b"nonsense")
    with pytest.raises(MeasurementError, match=f"{KEYS[3]}.tflite"):
        profile(SPACE, LocalDevice(), out=out, models=ModelSource(operators=converted_in(tmp_path, "tflite")))


FAST = {
    "warmup_ms": 0.5,
    "round_ms": 0.5,
    "sentinel_ms": 0.5,
    "max_rounds": 8,
    "drift_tolerance": 10.0,
    "initial_sentinel_readings": 2,
}
CHILD = """
import json, sys, time
from pathlib import Path
from fbsearch.devices import AdbDefinition, LocalDevice, MeasurementProtocol
from fbsearch.latency.measuring.conversion import converted_in
from fbsearch.latency.profiling.profiling import profile
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.spaces import load_space

out, models, protocol = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
profile(load_space("digits"), LocalDevice(), out=out, protocol=MeasurementProtocol(**protocol),
        models=ModelSource(operators=converted_in(models, "tflite")), watch=Watch(progress=False))
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_to_a_complete_table(out, tmp_path):
    """SIGKILL during real measuring, five times; no round that was on disk is lost."""
    models = tmp_path / "models"
    models.mkdir()
    for key in [*KEYS, SENTINEL.key]:
        (models / f"{key}.tflite").write_bytes(TINY.read_bytes())
    command = [sys.executable, "-c", CHILD, str(out), str(models), json.dumps(FAST)]
    rng, seen = random.Random(0), []
    for _ in range(5):
        lines = len(seen) + rng.randrange(2, 40)
        child = subprocess.Popen(command, cwd=ROOT)
        while child.poll() is None and _num_lines(journal_path(out)) < lines:
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not out.exists()
        now = journal_path(out).read_bytes()
        now = now[: now.rfind(b"\n") + 1].splitlines()
        assert now[: len(seen)] == seen, "what was there is still there"
        seen = now
    subprocess.run(command, cwd=ROOT, check=True)
    table = LatencyTable.load(out)
    assert list(table.entries) == KEYS and not journal_path(out).exists()
    rounds = [row for row in map(json.loads, seen) if "operator" in row]
    assert rounds
    for row in rounds:
        assert tuple(row["round_us"]) in table.entries[row["operator"]].rounds_us
    assert list(out.parent.iterdir()) == [out]


def _num_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_file_names_say_what_was_measured():
    path = default_table_path(SPACE, device="My Phone (2)", runtime="onnxruntime", threads=4)
    assert path.as_posix() == "latency_tables/my_phone_2-onnxruntime-digits-16px-t4-fp32.json"
    path = default_table_path(SPACE, device="phone", runtime="tflite", threads=1, precision="int8")
    assert path.as_posix() == "latency_tables/phone-tflite-digits-16px-t1-int8.json"


def test_the_estimate_counts_what_is_to_be_converted(tmp_path):
    class Cache:
        def path(self, operator, model_format, precision):
            folder = tmp_path if precision == "fp32" else tmp_path / precision
            return folder / f"{operator.key}.{model_format}"

    operators = SPACE.operators()
    cold = estimate_profile_seconds(operators, Cache(), jobs=2)
    assert cold.num_models == len(KEYS) and cold.num_missing == len(KEYS) + 1
    for key in [*KEYS, SENTINEL.key]:
        (tmp_path / f"{key}.tflite").touch()
    warm = estimate_profile_seconds(operators, Cache(), jobs=2)
    assert warm.num_missing == 0 and warm.converting_s == 0
    assert 0 < warm.seconds < cold.seconds
    assert estimate_profile_seconds(operators, Cache(), runtime="onnxruntime").num_missing == len(KEYS) + 1
    assert estimate_profile_seconds(operators, Cache(), precision="int8").num_missing == len(KEYS) + 1
    phone = estimate_profile_seconds(operators, Cache(), jobs=2, definition=AdbDefinition(name="phone"))
    assert phone.measuring_s > 5 * warm.measuring_s, "a launch takes longer than a few invocations"


def test_the_estimate_of_networks_grows_with_them_and_their_operators():
    few, many = (estimate_networks_seconds(SPACE, count, jobs=2) for count in (8, 16))
    assert few.num_models == few.num_missing == 8
    assert 0 < few.measuring_s < many.measuring_s and 0 < few.converting_s < many.converting_s
    deep = estimate_networks_seconds(load_space("fbnet"), 8, jobs=2)
    assert deep.converting_s > few.converting_s and deep.measuring_s == few.measuring_s
    assert estimate_networks_seconds(SPACE, 8, jobs=1).converting_s > few.converting_s
    assert estimate_networks_seconds(SPACE, 8, runtime="onnxruntime", jobs=2).seconds < few.seconds
    assert estimate_networks_seconds(SPACE, 10**9).num_models == SPACE.size
    phone = estimate_networks_seconds(SPACE, 8, jobs=2, definition=AdbDefinition(name="phone"))
    assert phone.measuring_s > 5 * few.measuring_s and phone.converting_s == 0, "beside measuring"
