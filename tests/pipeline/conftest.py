"""A tiny space, tables of invented numbers, and runs that need no device."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.costs import latency_cost
from fbsearch.devices import Measurement
from fbsearch.latency import LatencyTable, TableEntry
from fbsearch.pipeline.choice.attempts import load_attempts
from fbsearch.pipeline.recipe import check_budgets
from fbsearch.pipeline.stages.verifying import searched_for
from fbsearch.records import SearchRecord, Verification, read_record
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table

TINY = {
    "name": "tiny",
    "resolution": 8,
    "in_channels": 1,
    "num_classes": 10,
    "stem": {"channels": 8, "stride": 1},
    "stages": [{"channels": 16, "layers": 2, "stride": 2}],
    "candidates": ["k3_e3", "k5_e6", "skip"],
}


@pytest.fixture(scope="session")
def tiny_space(tmp_path_factory) -> Path:
    """The definition of a space of two layers, three candidates each."""
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    """Of the digits space."""
    path = tmp_path / "table.json"
    sample_table().save(path)
    return path


@pytest.fixture
def tablet(tmp_path) -> Path:
    """Of a device that is fast where the other one is slow."""
    table = sample_table()
    latencies = {key: entry.latency_us for key, entry in table.entries.items()}
    total = min(latencies.values()) + max(latencies.values())
    entries = {
        key: TableEntry.of(Measurement(((round(total - latency, 2),) * 5,) * 8))
        for key, latency in latencies.items()
    }
    device = table.device.model_copy(update={"name": "tablet"})
    path = tmp_path / "tablet.json"
    LatencyTable(table.header.model_copy(update={"device": device}), entries).save(path)
    return path


@dataclass
class FakeVerifications:
    """In place of exporting a model and measuring it: it takes a little more than its table says.

    Args:
        shares: of its budget that the n-th exported model (from 0) takes on the device of a number instead.
        sizes: bytes of the n-th exported model's file.
    """

    shares: dict[tuple[int, int], float] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def __call__(self, model, *, paths, number=1, **kwargs) -> Verification:
        index = len(load_attempts(paths))
        model.write_bytes(b"0" * self.sizes.get(index, 1000))
        search = read_record(paths.search_result, SearchRecord)
        known = searched_for(search, number)
        measured_ms = 1.01 * known.predicted_ms
        if (index, number) in self.shares:
            measured_ms = self.shares[index, number] * known.budget_ms
        return Verification(
            target=known.target,
            budget_ms=known.budget_ms,
            predicted_ms=known.predicted_ms,
            measured_ms=measured_ms,
            rounds_us=((1000 * measured_ms,) * 5,) * 8,
            keeps_budget=measured_ms <= known.budget_ms,
            is_steady=True,
            test_accuracy=0.5 + known.predicted_ms / 100,
            file_size_bytes=model.stat().st_size,
            budgets=check_budgets(search, Architecture.load(paths.architecture), model),
        )


@pytest.fixture
def untrained(monkeypatch) -> FakeVerifications:
    """Runs whose networks take on each device what its table says and a little more, and are not trained."""
    space = load_space("digits")

    def measuring(target):
        def measure(architectures):
            latency = latency_cost(space, target.load_table(), plain=True)
            return [Measurement(((1.01 * latency.of(space.encode(one)),) * 5,) * 8) for one in architectures]

        return measure

    fake = FakeVerifications()
    monkeypatch.setattr("fbsearch.pipeline.targets.search.whole_network_meter", measuring)
    monkeypatch.setattr("fbsearch.latency.LatencyTable.check_device", lambda *args: ())
    monkeypatch.setattr("fbsearch.pipeline.run.stages.train_stage", lambda context: None)
    monkeypatch.setattr("fbsearch.pipeline.run.stages.export_stage", lambda context: None)
    monkeypatch.setattr("fbsearch.pipeline.targets.checks.run_verification", fake)
    monkeypatch.setattr("fbsearch.pipeline.run.run.write_report", lambda folder: folder / "report.html")
    return fake


@pytest.fixture(scope="module")
def run(tiny_space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network of the tiny space, trained on digits."""
    folder = tmp_path_factory.mktemp("run")
    load_space(str(tiny_space)).decode((0, 0)).save(folder / "tiny.json")
    train = ["train", str(folder / "tiny.json"), "--data", "digits", "--out", str(folder), "--quiet"]
    settings = ("epochs=12", "batch_size=64", "learning_rate=0.2")
    assert main([*train, *(part for setting in settings for part in ("--set", setting))]) == 0
    return folder
