"""A run folder as a whole run leaves it, with invented but consistent numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.architecture.operators import MBConv
from fbsearch.devices.description import DeviceDescription, RuntimeDescription
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.files import write_json, write_text
from fbsearch.latency import Calibration, LatencyTable, TableEntry
from fbsearch.latency.calibration.calibration import calibrate
from fbsearch.latency.calibration.design import design_networks
from fbsearch.latency.calibration.designing import latencies_by_candidate
from fbsearch.latency.calibration.terms import terms_of
from fbsearch.latency.entries.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.spaces import FactoredSpace, load_space

RECIPE = """\
name: {space}
space: {space}
data: {{source: digits, resolution: 16}}
device: {{name: local, runtime: tflite, threads: 1}}
budget_ms: {budget_ms}
search: {{epochs: 12, warmup_epochs: 3, mode: soft, temperature: [5.0, 0.5]}}
train: {{epochs: 20, batch_size: 64, learning_rate: 0.05}}
seed: 0
"""


@dataclass(frozen=True)
class SampleRun:
    """What a test may want to know of the invented run."""

    folder: Path
    space: FactoredSpace
    table: LatencyTable
    choices: tuple[int, ...]
    budget_us: float


def write_sample_run(
    folder: Path,
    *,
    space: str = "digits",
    share_of_budget: float = 0.83,
    class_names: list[str] | None = None,
    device_name: str = "AMD EPYC",
    search_epochs: int = 12,
    train_epochs: int = 20,
) -> SampleRun:
    """Write every file of a run but the weights and the models, and return what it is about."""
    rng = np.random.default_rng(0)
    searched = load_space(space)
    table = make_table(searched, rng, device_name=device_name)
    choices = _sensible_choices(searched)
    architecture = searched.decode(choices)
    table = table.with_calibration(_calibration(searched, table, rng))
    predicted_us = table.calibrated_us(architecture)
    measured_us = predicted_us / 0.94
    budget_us = measured_us / share_of_budget
    names = class_names or [str(index) for index in range(searched.num_classes)]

    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "recipe.yaml", RECIPE.format(space=space, budget_ms=round(budget_us / 1000, 4)))
    write_json(folder / "run.json", _run_record(space))
    table.save(folder / "table.json")
    architecture.save(folder / "architecture.json")
    _write_rows(
        folder / "search" / "metrics.jsonl", _search_rows(search_epochs, predicted_us, budget_us, rng)
    )
    write_json(
        folder / "search" / "result.json",
        _search_result(searched, table, choices, budget_us, measured_us, rng),
    )
    _write_rows(folder / "train" / "metrics.jsonl", _training_rows(train_epochs, rng))
    test = _test_metrics(names, rng)
    write_json(
        folder / "train" / "result.json",
        {"test": test, "num_params": 41_234, "num_macs": 1_234_567, "seconds": 71.5},
    )
    write_json(
        folder / "verification.json",
        _verification(device_name, budget_us, predicted_us, measured_us, test["top1"], rng),
    )
    return SampleRun(folder, searched, table, choices, budget_us)


def make_table(
    space: FactoredSpace, rng: np.random.Generator, *, device_name: str = "AMD EPYC"
) -> LatencyTable:
    """A table of ``space`` whose latencies grow with the operators' multiply-adds."""
    protocol = MeasurementProtocol()
    operators = [op for op in space.operators() if not op.is_identity]
    entries = {op.key: TableEntry.of(_measure(latency_model(op), protocol, rng)) for op in operators}
    readings = 11.0 * (1 + np.abs(rng.normal(0, 0.02, 40)))
    readings[17:19] *= 1.3
    header = TableHeader(
        device=DeviceDescription(
            name="local", kind="local", model=device_name, architecture="x86_64", num_cores=2,
            memory_bytes=8_200_000_000, system="Linux 6.1", governor=None, max_frequency_mhz=2650.0,
        ),
        runtime=RuntimeDescription(
            name="tflite", package="ai-edge-litert", version="2.3.0", threads=1, delegate="XNNPACK (default)"
        ),
        space=SpaceReference(name=space.name, fingerprint=space.fingerprint),
        protocol=protocol,
        seed=0,
        created="2026-01-05T09:30:00+00:00",
        seconds=TableSeconds(converting=31.25, measuring=9.5),
        sentinel=SentinelRecord(
            operator=operators[0].key, baseline_us=11.0,
            readings_us=tuple(float(r) for r in readings.round(2)),
            num_windows=39, num_discarded_windows=2,
        ),
        warnings=("the frequency governor cannot be read; clock changes show only in the sentinel",),
    )  # fmt: skip
    return LatencyTable(header, entries)


def latency_model(op: Operator) -> float:
    """An invented latency in microseconds: some overhead and 20 multiply-adds a nanosecond."""
    pixels = op.output.resolution**2
    if isinstance(op, MBConv):
        first = op.resolution**2 * op.in_channels * op.hidden_channels // op.groups if op.has_expand else 0
        depthwise = 4 * pixels * op.hidden_channels * op.kernel**2
        macs = first + depthwise + pixels * op.hidden_channels * op.out_channels // op.groups
    else:
        macs = pixels * op.in_channels * op.out_channels * getattr(op, "kernel", 1) ** 2
    return 0.9 + macs / 20_000


def _measure(latency_us: float, protocol: MeasurementProtocol, rng: np.random.Generator) -> Measurement:
    spread = float(rng.lognormal(-4.6, 0.7))
    rounds = [
        tuple(
            float(v)
            for v in (latency_us * (1 + rng.normal(0, spread) + np.abs(rng.normal(0, 0.02, 6)))).round(2)
        )
        for _ in range(8)
    ]
    return Measurement(
        tuple(tuple(max(v, 0.01) for v in values) for values in rounds),
        num_discarded=int(rng.integers(3) == 0),
        confidence=protocol.confidence,
        target_relative_ci=protocol.target_relative_ci,
    )


def _sensible_choices(space: FactoredSpace) -> tuple[int, ...]:
    """A mixture of kernels, expansions and skips that repeats along the chain."""
    wanted = ["k5_e3", "skip", "k3_e6", "k5_e6", "k3_e1", "k3_e1_g2", "k3_e3"]
    return tuple(
        slot.names.index(name) if (name := wanted[s % len(wanted)]) in slot.names else 0
        for s, slot in enumerate(space.decisions)
    )


def _run_record(space: str) -> dict[str, Any]:
    return {
        "fbsearch": "0.1.0", "python": "3.11.9", "torch": "2.13.0+cpu",
        "machine": {"name": "local", "model": "AMD EPYC", "num_cores": 2, "system": "Linux 6.1"},
        "command": f"fbsearch run {space} --out runs/{space}",
        "seed": 0, "started": "2026-01-05T09:29:12+00:00",
        "stages": {
            "profile": {"seconds": 42.8}, "search": {"seconds": 96.1}, "train": {"seconds": 71.5},
            "export": {"seconds": 9.3}, "verify": {"seconds": 4.4},
        },
    }  # fmt: skip


def _search_rows(
    epochs: int, goal_us: float, budget_us: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    warm_up = epochs // 4
    for epoch in range(epochs):
        done = max(epoch - warm_up, 0) / max(epochs - warm_up - 1, 1)
        learned = 1 - np.exp(-4 * (epoch + 1) / epochs)
        row: dict[str, Any] = {
            "epoch": epoch, "phase": "warm-up" if epoch < warm_up else "search",
            "train_loss": 2.3 - 2.05 * learned + 0.03 * rng.random(), "train_accuracy": 0.1 + 0.87 * learned,
            "val_loss": 2.3 - 1.95 * learned + 0.06 * rng.random(),
            "val_accuracy": 0.1 + 0.84 * learned + 0.02 * rng.random(),
            "expected_latency_us": budget_us * 1.5 - (budget_us * 1.5 - goal_us) * (1 - (1 - done) ** 2),
            "temperature": 5.0 * 0.1**done, "entropy": 1.79 - 1.5 * done**1.5,
            "multiplier": None if epoch < warm_up else 0.4 * np.sin(3 * done) + 0.1,
        }  # fmt: skip
        rows.append(
            {k: v if v is None or isinstance(v, (str, int)) else round(float(v), 6) for k, v in row.items()}
        )
    return rows


def _calibration(space: FactoredSpace, table: LatencyTable, rng: np.random.Generator) -> Calibration:
    latencies = latencies_by_candidate(space, table.latency_us)
    measured = []
    for choices in design_networks(latencies, 12, rng):
        latency_us = (1.1 * table.architecture_us(space.decode(choices)) - 2) * (1 + rng.normal(0, 0.03))
        measured.append((choices, "design", _measure(latency_us, table.protocol, rng)))
    return calibrate(
        terms_of(space), table.latency_us, measured, protocol=table.protocol, seed=0,
        seconds=TableSeconds(converting=30.0, measuring=12.0),
    )  # fmt: skip


def _search_result(
    space: FactoredSpace,
    table: LatencyTable,
    choices: tuple[int, ...],
    budget_us: float,
    measured_us: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    slots = []
    for slot, choice in zip(space.decisions, choices, strict=True):
        logits = rng.normal(0, 1.2, len(slot.names))
        logits[choice] = logits.max() + 1.0
        probabilities = np.exp(logits) / np.exp(logits).sum()
        latencies = list(table.calibration.header.fit.candidates_us[len(slots)])
        slots.append(
            {
                "names": list(slot.names),
                "latencies_us": latencies,
                "probabilities": probabilities.round(6).tolist(),
            }
        )
    finalists = [_finalist(space, table, choices, 0.951, "most probable", measured_us)]
    mutant = choices
    for index in range(5):
        mutant = space.mutate(mutant, rng)
        finalists.append(
            _finalist(
                space,
                table,
                mutant,
                0.944 - 0.006 * index + 0.004 * rng.random(),
                "sampled",
                None,
            )
        )
    return {
        "space": space.name, "budget_us": budget_us, "slots": slots, "finalists": finalists, "chosen": 0,
        "range_us": [sum(min(s["latencies_us"]) for s in slots), sum(max(s["latencies_us"]) for s in slots)],
        "collapse": None, "seconds": 96.1,
    }  # fmt: skip


def _finalist(
    space: FactoredSpace,
    table: LatencyTable,
    choices: tuple[int, ...],
    accuracy: float,
    source: str,
    measured_us: float | None,
) -> dict[str, Any]:
    return {
        "choices": list(choices), "names": list(space.choice_names(choices)),
        "val_accuracy": round(accuracy, 4),
        "predicted_us": table.calibrated_us(space.decode(choices)),
        "log_probability": -3.2,
        "source": source, "measured_us": measured_us,
    }  # fmt: skip


def _training_rows(epochs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(epochs):
        learned = 1 - np.exp(-5 * (epoch + 1) / epochs)
        rows.append(
            {
                "epoch": epoch,
                "train_loss": round(2.2 - 1.8 * learned + 0.02 * rng.random(), 5),
                "train_accuracy": round(0.12 + 0.87 * learned, 5),
                "val_loss": round(2.2 - 1.72 * learned + 0.05 * rng.random(), 5),
                "val_accuracy": round(0.12 + 0.85 * learned + 0.01 * rng.random(), 5),
                "learning_rate": round(0.025 * (1 + np.cos(np.pi * epoch / epochs)), 6),
            }
        )
    return rows


def _test_metrics(names: list[str], rng: np.random.Generator) -> dict[str, Any]:
    confusion = np.diag(rng.integers(30, 37, len(names)))
    for _ in range(len(names)):
        row, column = rng.integers(len(names), size=2)
        confusion[row, column] += 1
    right, totals = np.diag(confusion), confusion.sum(axis=1)
    return {
        "top1": round(float(right.sum() / totals.sum()), 4), "top5": 0.9986,
        "loss": 0.112, "macro_f1": 0.9719,
        "ece": 0.0213,
        "per_class": {n: round(float(a), 4) for n, a in zip(names, right / totals, strict=True)},
        "confusion": confusion.tolist(), "num_samples": int(totals.sum()),
    }  # fmt: skip


def _verification(
    device: str,
    budget_us: float,
    predicted_us: float,
    measured_us: float,
    accuracy: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    rounds = [(measured_us * (1 + np.abs(rng.normal(0, 0.02, 20)))).round(2).tolist() for _ in range(10)]
    return {
        "model": "model.tflite", "device": device, "runtime": "tflite", "runtime_version": "2.3.0",
        "threads": 1,
        "budget_ms": budget_us / 1000, "predicted_ms": predicted_us / 1000, "measured_ms": measured_us / 1000,
        "measured_p95_ms": 1.07 * measured_us / 1000, "keeps_budget": measured_us <= budget_us,
        "test_accuracy": accuracy, "torch_test_accuracy": accuracy,
        "top1_agreement": 1.0, "max_abs_diff": 3.1e-6,
        "num_samples": 360, "size_bytes": 231_456, "is_converged": True, "rounds_us": rounds,
    }  # fmt: skip


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
