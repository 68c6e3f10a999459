"""Short facts of a run as (name, value) pairs: the tiles, the device, the stages, the versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fbsearch.export import FineTuning
from fbsearch.latency import LatencyTable
from fbsearch.records import Verification
from fbsearch.reports.formatting import (
    NO_BREAK,
    format_accuracy,
    format_bytes,
    format_count,
    format_ms,
    format_number,
    format_percent,
    format_seconds,
    on_device,
)
from fbsearch.reports.run_folder import RunFolder, TargetFiles
from fbsearch.reports.verdict import prediction_error, verdict_decimals


@dataclass(frozen=True)
class Tile:
    """One number of the verdict, with what it means and what to compare it with."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for."""

    name: str
    value: str


@dataclass(frozen=True)
class StageTime:
    """How long a stage took, and its share of the run's total."""

    name: str
    seconds: float | None
    share: float
    error: str | None


def verdict_tiles(run: RunFolder) -> tuple[Tile, ...]:
    """Latency on every device, accuracy, agreement and size of every model; what is unknown is left out."""
    pairs = zip(run.targets, run.labels, strict=True)
    tiles = [tile for target, label in pairs for tile in _target_tiles(target, label)]
    tiles += _accuracy_tiles(run)
    for verification in _models(run):
        tiles += _model_tiles(verification)
    if run.training and run.training.num_params is not None:
        tiles.append(Tile("Parameters", format_count(run.training.num_params)))
    if run.training and run.training.num_macs is not None:
        tiles.append(Tile("Multiply-adds", format_count(run.training.num_macs), "per image"))
    return tuple(tiles)


def _models(run: RunFolder) -> tuple[Verification, ...]:
    """A verification of each model file that the devices run."""
    return tuple({one.model: one for one in reversed(run.verifications)}.values())[::-1]


def _model_tiles(verification: Verification) -> list[Tile]:
    tiles = []
    if verification.finetuning:
        tiles.append(_finetuning_tile(verification.finetuning))
    if verification.top1_agreement is not None:
        difference = format_number(verification.max_abs_diff, digits=2)
        agreement = format_percent(verification.top1_agreement, decimals=1)
        tiles.append(
            Tile("Agreement", agreement, f"same top-1 class; outputs differ by at most {difference}")
        )
    if verification.file_size_bytes is not None:
        note = ", ".join(filter(None, (verification.model, verification.precision)))
        tiles.append(Tile("Model size", format_bytes(verification.file_size_bytes), note))
    return tiles


def device_facts(target: TargetFiles) -> tuple[Fact, ...]:
    """A device and its runtime, from the table or the verification, and where the two differ."""
    if target.table is not None:
        return (*_facts(_table_pairs(target.table)), *_differences(target.table, target.verification))
    if target.verification is None:
        return ()
    verification = target.verification
    return _facts(
        [
            ("Device", verification.device),
            ("Runtime", " ".join(filter(None, (verification.runtime, verification.runtime_version)))),
            ("Threads", verification.threads),
            ("Precision", verification.precision),
        ]
    )


def _table_pairs(table: LatencyTable) -> list[tuple[str, object]]:
    device, runtime = table.device, table.runtime
    clock = f"{device.max_frequency_mhz:,.0f}{NO_BREAK}MHz" if device.max_frequency_mhz else None
    return [
        ("Device", f"{device.name} ({device.kind})"),
        ("Processor", f"{device.model}, {device.architecture}, {device.num_cores} cores"),
        ("Memory", format_bytes(device.memory_bytes) if device.memory_bytes else None),
        ("System", device.system),
        ("Governor", device.governor),
        ("Highest clock", clock),
        *device.properties.items(),
        ("Runtime", f"{runtime.package} {runtime.version}"),
        ("Backend", runtime.delegate),
        ("Threads", runtime.threads),
        ("Precision", runtime.precision),
        *runtime.options.items(),
    ]


def _differences(table: LatencyTable, verification: Verification | None) -> tuple[Fact, ...]:
    """What the verification was run with where the table names something else."""
    if verification is None:
        return ()
    runtime = table.runtime
    pairs: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        (
            "Verified with version",
            verification.runtime_version,
            (runtime.version, f"{runtime.package} {runtime.version}"),
        ),
        ("Verified with threads", verification.threads, (runtime.threads,)),
    )
    return _facts((name, given) for name, given, own in pairs if given is not None and given not in own)


def version_facts(run: RunFolder) -> tuple[Fact, ...]:
    """Seed, versions and machine."""
    record = run.record
    if record is None:
        return ()
    return _facts(
        [
            ("Seed", record.seed),
            ("Started", record.started),
            ("fbsearch", record.fbsearch),
            ("Python", record.python),
            ("PyTorch", record.torch),
            ("Machine", record.machine_text),
        ]
    )


def stage_times(run: RunFolder) -> tuple[StageTime, ...]:
    """The stages in the order in which the run recorded them."""
    stages = run.record.stages if run.record else {}
    total = sum(stage.seconds or 0.0 for stage in stages.values())
    return tuple(
        StageTime(name, stage.seconds, (stage.seconds or 0.0) / total if total else 0.0, stage.error)
        for name, stage in stages.items()
    )


def total_seconds(run: RunFolder) -> str:
    """The stages' sum."""
    return format_seconds(sum(stage.seconds or 0.0 for stage in stage_times(run)))


def _latency_tiles(verification: Verification) -> list[Tile]:
    decimals = verdict_decimals(verification)

    def write(value_ms: float) -> str:
        return format_ms(1000 * value_ms, decimals=decimals)

    note = f"p95 {write(verification.measured_p95_ms)}" if verification.measured_p95_ms else ""
    if verification.is_converged is False:
        note = f"{note}, not converged".lstrip(", ")
    tiles = [Tile("Measured", write(verification.measured_ms), note)]
    error = prediction_error(verification)
    if verification.predicted_ms is not None and error is not None:
        off = format_percent(error, decimals=1, sign=True)
        tiles.append(Tile("Predicted", write(verification.predicted_ms), f"{off} from measured"))
    if verification.budget_ms is not None:
        left = verification.budget_ms - verification.measured_ms
        word = "to spare" if left >= 0 else "too slow"
        tiles.append(Tile("Budget", write(verification.budget_ms), f"{write(abs(left))} {word}"))
    return tiles


def _target_tiles(target: TargetFiles, label: str) -> list[Tile]:
    """Latency on a device, as measured or else as predicted; the device is named where there are several."""
    verification = target.verification
    tiles = _predicted_tiles(target) if verification is None else _latency_tiles(verification)
    where = on_device(label).strip()
    return [replace(tile, note=", ".join(filter(None, (where, tile.note)))) for tile in tiles]


def _predicted_tiles(target: TargetFiles) -> list[Tile]:
    if target.predicted_us is None:
        return []
    tiles = [Tile("Predicted", format_ms(target.predicted_us), "not measured")]
    if target.budget_us is not None:
        tiles.append(Tile("Budget", format_ms(target.budget_us)))
    return tiles


def _accuracy_tiles(run: RunFolder) -> list[Tile]:
    models = [one for one in _models(run) if one.test_accuracy is not None]
    if models:
        return [_exported_tile(run, one, is_alone=len(models) == 1) for one in models]
    trained = _trained_accuracy(run, next(iter(run.verifications), None))
    if trained is None:
        return []
    return [Tile("Test accuracy", format_accuracy(trained), "in PyTorch; exported model not tested")]


def _exported_tile(run: RunFolder, verification: Verification, *, is_alone: bool) -> Tile:
    trained = _trained_accuracy(run, verification)
    words = "exported model" if is_alone or not verification.model else verification.model
    note = words if trained is None else f"{words}; PyTorch {format_accuracy(trained)}"
    return Tile("Test accuracy", format_accuracy(verification.test_accuracy), note)


def _trained_accuracy(run: RunFolder, verification: Verification | None) -> float | None:
    trained = None if verification is None else verification.fp32_test_accuracy
    if trained is None and run.training is not None:
        return run.training.test.top1
    return trained


def _finetuning_tile(record: FineTuning) -> Tile:
    before, after = format_accuracy(record.before), format_accuracy(record.after)
    fp32 = format_accuracy(record.fp32_accuracy)
    kept = "" if record.is_kept else "; not kept"
    note = f"validation accuracy, from {before} in {record.epochs} epochs; {fp32} in fp32{kept}"
    return Tile("Fine-tuned", after, note)


def _facts(pairs: Iterable[tuple[str, object]]) -> tuple[Fact, ...]:
    return tuple(Fact(name, str(value)) for name, value in pairs if value not in (None, ""))
