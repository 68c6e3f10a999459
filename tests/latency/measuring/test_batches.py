"""Models that do not fit in memory together are measured in groups, and come out the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbsearch.devices import MeasurementLog, MeasurementProtocol
from fbsearch.latency.measuring.batches import Bench, groups_by_size, measure_in_batches
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.progress import ProfileProgress
from tests.devices.simulated import Machine, SimulatedRunner, simulated_latency_us, simulated_models

NAMES = [f"model-{number}" for number in range(10)]
SIZE = 1000


@pytest.fixture
def models(tmp_path):
    """Files of ``SIZE`` bytes."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.tflite").write_bytes(bytes(SIZE))
    return {name: folder / f"{name}.tflite" for name in NAMES}


class CountingRunner(SimulatedRunner):
    """Tells how many models were open at once, the sentinel not counted."""

    def __init__(self, machine, *, is_elsewhere=False):
        super().__init__(machine)
        self.is_elsewhere = is_elsewhere
        self.most = 0

    def open(self, model: Path):
        session = super().open(model)
        self.most = max(self.most, sum(not one.is_closed for one in self.sessions[1:]))
        return session


def measured(models, runner, tmp_path, *, memory_bytes=None, log=None):
    """Ten models, each to its latency."""

    def convert(names):
        yield from ((name, models[name]) for name in names)

    bench = Bench(
        runner=runner,
        protocol=MeasurementProtocol(),
        seed=0,
        launches=tmp_path / "launches.jsonl",
        sentinel=simulated_models,
        memory_bytes=memory_bytes,
    )
    items = {name: name for name in models}
    with Journal(tmp_path / "journal", {}) as journal, ProfileProgress(len(items), show=False) as shown:
        return measure_in_batches(
            items, convert, bench, journal=journal, log=log or MeasurementLog(), shown=shown
        )


@pytest.mark.parametrize(("room", "most"), [(3.5, 3), (10, 10), (0.5, 1), (None, 10)])
def test_no_more_are_open_than_the_memory_allows(models, tmp_path, room, most):
    runner = CountingRunner(Machine())
    memory_bytes = None if room is None else int(16 * room * SIZE)
    results = measured(models, runner, tmp_path, memory_bytes=memory_bytes)
    assert runner.most == most
    assert all(session.is_closed for session in runner.sessions)
    assert len(runner.sessions) == 1 + len(NAMES), "none is opened twice"
    for name, result in results.items():
        assert result.latency_us == pytest.approx(simulated_latency_us(name), rel=0.01)


def test_models_elsewhere_take_no_memory_here(models, tmp_path):
    runner = CountingRunner(Machine(), is_elsewhere=True)
    measured(models, runner, tmp_path, memory_bytes=SIZE)
    assert runner.most == len(NAMES)


def test_a_group_that_turns_out_slow_is_measured_again(models, tmp_path):
    """Slow by a fifth for as long as the first group takes, which only later readings can tell."""
    machine = Machine()
    machine.slowness = lambda now: 1.2 if now < 0.5 else 1.0
    runner, log = CountingRunner(machine), MeasurementLog()
    results = measured(models, runner, tmp_path, memory_bytes=16 * 2 * SIZE, log=log)
    for name, result in results.items():
        assert result.latency_us == pytest.approx(simulated_latency_us(name), rel=0.01) and result.is_steady
    assert any(result.num_discarded for result in results.values())
    assert runner.most == 2 and len(runner.sessions) > 1 + len(NAMES)


def test_groups_keep_their_order_and_take_what_is_not_there_for_nothing(models, tmp_path):
    big = tmp_path / "big.tflite"
    big.write_bytes(bytes(10 * SIZE))
    groups = groups_by_size(
        {**models, "big": big, "absent": tmp_path / "none", "last": models["model-0"]}, 4 * SIZE
    )
    assert [len(group) for group in groups] == [4, 4, 2, 1, 2]
    assert [name for group in groups for name in group] == [*NAMES, "big", "absent", "last"]
    assert groups_by_size({}, SIZE) == []
