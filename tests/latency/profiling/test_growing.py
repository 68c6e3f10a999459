"""Tables that grow: exactly what is missing, as the rest was measured, and nothing lost."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from fbsearch.errors import MissingOperatorError, TableError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import first_operators
from fbsearch.latency.measuring.naming import growth_journal_path
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.growing import grow_for_networks, grow_table
from fbsearch.latency.profiling.profiling import profile
from fbsearch.spaces import load_space
from tests.devices.simulated import SimulatedDevice, simulated_latency_us, simulated_models
from tests.latency.simulated_networks import SPACE as DIGITS
from tests.latency.simulated_networks import Stop, StoppingDevice
from tests.latency.simulated_spaces import LOOSE, SpaceDevice, models_of
from tests.spaces.wide import WideSpace

WIDE = WideSpace()
MODELS = ModelSource(operators=simulated_models)
FIRST, OTHER = WIDE.decode((1, 2, 3)), WIDE.decode((4, 2, 3))
NEW = ["conv_k1_s1_relu_c3-32_r16", "conv_k1_s1_relu_c32-16_r16"]


@pytest.fixture
def path(tmp_path):
    """A table of an open space's first architecture."""
    path = tmp_path / "table.json"
    profile(WIDE, SimulatedDevice(), out=path, operators=list(FIRST.operators()), models=MODELS, seed=5)
    return path


def grow(path, architecture=OTHER, device=None, **options):
    device = device or SimulatedDevice()
    return grow_table(path, architecture.operators(), device, models=options.pop("models", MODELS), **options)


def test_exactly_what_is_missing_is_measured_and_added(path):
    before = LatencyTable.load(path)
    device = SimulatedDevice()
    table = grow(path, device=device)
    opened = [session.latency_us for runner in device.runners for session in runner.sessions]
    assert len(opened) == len(NEW) + 1, "and the sentinel"
    assert list(table.entries) == [*before.entries, *NEW]
    assert {key: table.entries[key] for key in before.entries} == before.entries
    for key in NEW:
        assert table.entries[key].latency_us == pytest.approx(simulated_latency_us(key), rel=0.01)
    loaded = LatencyTable.load(path)
    assert (loaded.header, loaded.entries) == (table.header, table.entries)
    assert list(path.parent.iterdir()) == [path]


def test_the_header_says_what_it_said_and_what_was_added(path):
    before, after = LatencyTable.load(path).header, grow(path).header
    for name in ("device", "runtime", "space", "protocol", "seed", "created", "warnings"):
        assert getattr(after, name) == getattr(before, name)
    assert after.sentinel.baseline_us == before.sentinel.baseline_us
    readings = before.sentinel.readings_us
    assert after.sentinel.readings_us[: len(readings)] == readings
    assert len(after.sentinel.readings_us) > len(readings)
    assert after.sentinel.num_windows > before.sentinel.num_windows


def test_where_nothing_is_missing_nothing_is_done(path):
    before = path.read_bytes()
    device = SimulatedDevice(version="2.0")
    assert grow(path, FIRST, device).entries == LatencyTable.load(path).entries
    assert path.read_bytes() == before and not device.runners


def test_a_missing_operator_is_an_error_that_names_it_until_it_is_measured(path):
    with pytest.raises(MissingOperatorError, match=f"no entry for {NEW[0]}.*fbsearch table grow"):
        LatencyTable.load(path).architecture_us(OTHER)
    assert grow(path).architecture_us(OTHER) > 0


@pytest.mark.parametrize("invocations", [0, 150, 300])
def test_interrupted_it_goes_on_and_keeps_every_round(path, invocations):
    before = path.read_bytes()
    with pytest.raises(Stop):
        grow(path, device=StoppingDevice(invocations))
    assert path.read_bytes() == before
    journal = growth_journal_path(path)
    rows = [json.loads(line) for line in journal.read_bytes().splitlines()]
    table = grow(path)
    for row in rows:
        if "operator" in row:
            entry = table.entries[row["operator"]]
            assert tuple(row["round_us"]) in entry.rounds_us or entry.num_discarded
    assert not journal.exists()


def test_interrupted_it_may_go_on_with_other_operators(path):
    with pytest.raises(Stop):
        grow(path, device=StoppingDevice(300))
    more = WIDE.decode((4, 2, 7))
    assert not grow(path, more).missing(more.operators())


@pytest.mark.parametrize(
    ("device", "named"),
    [
        (
            SimulatedDevice(num_cores=64),
            "measured on Test, none, 2 cores; in use is Test, none, 64 cores",
        ),
        (SimulatedDevice(version="2.0"), r"with simulated 1\.0; in use is simulated 2\.0.*one version"),
    ],
)
def test_another_device_or_version_is_refused(path, device, named):
    before = path.read_bytes()
    with pytest.raises(TableMismatchError, match=named) as caught:
        grow(path, device=device)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_device_that_cannot_do_what_the_table_was_measured_with_is_refused(tmp_path):
    path = tmp_path / "table.json"
    operators = list(FIRST.operators())
    how = RuntimeChoice(threads=2)
    profile(WIDE, SimulatedDevice(), out=path, operators=operators, how=how, models=MODELS)

    class OneThread(SimulatedDevice):
        def runner(self, runtime, *, threads, precision="fp32"):
            return super().runner(runtime, threads=1)

    with pytest.raises(TableMismatchError, match="2 threads, fp32; in use is tflite, 1 thread, fp32"):
        grow(path, device=OneThread())


def test_what_another_process_added_meanwhile_is_kept(path, monkeypatch):
    """Grown by others after it was read and before the journal was ours."""
    stale = LatencyTable.load(path)
    others = WIDE.decode((9, 9, 9))
    grow(path, others)
    load, calls = LatencyTable.load, iter([stale])
    monkeypatch.setattr(LatencyTable, "load", staticmethod(lambda path: next(calls, None) or load(path)))
    table = grow(path)
    assert not table.missing([*others.operators(), *OTHER.operators()])


def test_two_at_once_are_refused(path):
    def meanwhile(operators):
        with pytest.raises(TableError, match=f"in use by process {os.getpid()}: wait"):
            grow(path)
        yield from simulated_models(operators)

    grow(path, models=ModelSource(operators=meanwhile))


def test_a_calibrated_table_grows_and_keeps_its_calibration(tmp_path):
    path = tmp_path / "table.json"
    before = profile(WIDE, SpaceDevice(WIDE), out=path, models=models_of(WIDE), num_networks=8)
    after = grow(path, device=SpaceDevice(WIDE))
    assert after.calibration == before.calibration and len(after.entries) == len(before.entries) + 4


def test_a_space_that_can_be_listed_has_a_complete_table_already(tmp_path):
    path = tmp_path / "table.json"
    profile(DIGITS, SimulatedDevice(), out=path, models=MODELS)
    device = SimulatedDevice()

    def never():
        raise AssertionError("not asked")

    assert grow_for_networks(path, load_space("digits"), never, device, models=MODELS).entries
    assert not device.runners
    grown = grow_for_networks(path, WIDE, lambda: [(4, 2, 3)], device, models=MODELS)
    assert not grown.missing(OTHER.operators())


def test_a_profile_of_a_cell_space_with_loose_ends_names_it_and_holds_all_operators(tmp_path):
    table = profile(LOOSE, SpaceDevice(LOOSE), out=tmp_path / "t.json", models=models_of(LOOSE))
    assert (table.space_name, table.space_fingerprint) == (LOOSE.name, LOOSE.fingerprint)
    assert list(table.entries) == list(dict.fromkeys(op.key for op in LOOSE.operators() if not op.is_free))
    table.check_space(LOOSE)


def test_an_open_space_s_table_begins_with_enough_of_every_kind_to_estimate_others_by():
    operators = first_operators(WIDE, num_networks=2, seed=0, least=2)
    kinds = Counter(operator.kind for operator in operators)
    assert min(kinds["conv"], kinds["classifier"]) >= 6
    assert len(set(operators)) == len(operators)
    assert operators == first_operators(WIDE, num_networks=2, seed=0, least=2)
