"""A run folder read from disk: every stage's file, or None where the stage has not run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fbsearch.architecture import Architecture
from fbsearch.errors import CheckpointError
from fbsearch.files import parse_yaml, read_json
from fbsearch.latency import LatencyTable
from fbsearch.reports.records import RunRecord, SearchResult, TrainResult, Verification

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class MetricsRow:
    """One epoch of a ``metrics.jsonl``.

    Args:
        epoch: counted from 0.
        phase: what the epoch was for, where the stage says so.
        values: the finite metrics by name.
        lost: names of metrics that were NaN or infinite.
    """

    epoch: int
    phase: str | None
    values: Mapping[str, float]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFolder:
    """Everything a report is made of."""

    path: Path
    record: RunRecord | None
    recipe: str | None
    table: LatencyTable | None
    search: SearchResult | None
    search_metrics: tuple[MetricsRow, ...]
    architecture: Architecture | None
    training: TrainResult | None
    training_metrics: tuple[MetricsRow, ...]
    verification: Verification | None
    put_aside: tuple[Verification, ...] = ()
    verified_elsewhere: tuple[Verification, ...] = ()


def read_run(path: Path) -> RunFolder:
    """Read a run folder; stages that have not run are None.

    Raises:
        CheckpointError: if the folder is missing, holds no file of a run, or one is damaged.
        TableError, ArchitectureError: if the table or the architecture is damaged.
    """
    if not path.is_dir():
        raise CheckpointError(
            f"{path}: no such run folder; give the folder that 'fbsearch run … --out' wrote"
        )
    run = RunFolder(
        path=path,
        record=_read_record(path / "run.json", RunRecord),
        recipe=_read_recipe(path / "recipe.yaml"),
        table=LatencyTable.load(path / "table.json") if (path / "table.json").exists() else None,
        search=_read_record(path / "search" / "result.json", SearchResult),
        search_metrics=_read_metrics(path / "search" / "metrics.jsonl"),
        architecture=_read_architecture(path / "architecture.json"),
        training=_read_record(path / "train" / "result.json", TrainResult),
        training_metrics=_read_metrics(path / "train" / "metrics.jsonl"),
        verification=_read_record(path / "verification.json", Verification),
        put_aside=tuple(_put_aside(path / "attempts")),
        verified_elsewhere=tuple(_verified_elsewhere(path)),
    )
    contents = [getattr(run, field.name) for field in fields(run) if field.name != "path"]
    if all(content is None or content == () for content in contents):
        raise CheckpointError(f"{path}: holds no file of a run (run.json, table.json, verification.json, …)")
    return run


def _put_aside(folder: Path) -> Iterator[Verification]:
    """Of the exported models that were over the budget, in their order."""
    for attempt in sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name)):
        verification = _read_record(attempt / "verification.json", Verification)
        if verification is not None:
            yield verification


def _verified_elsewhere(folder: Path) -> Iterator[Verification]:
    """Of the exported model on the devices from the second on."""
    for number in count(2):
        verification = _read_record(folder / f"verification-{number}.json", Verification)
        if verification is None:
            return
        yield verification


def _read_architecture(path: Path) -> Architecture | None:
    return Architecture.load(path) if path.exists() else None


def _read_record(path: Path, model: type[_Model]) -> _Model | None:
    if not path.exists():
        return None
    try:
        return model.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{place}: {first['msg']}" if place else first["msg"]) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None


def _read_recipe(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        text = path.read_text("utf-8")
        recipe = parse_yaml(text)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(recipe, dict):
        raise _damaged(path, "a recipe is a mapping")
    return text


def _read_metrics(path: Path) -> tuple[MetricsRow, ...]:
    """The rows by epoch and phase; of repeated ones (a resumed epoch) the last counts."""
    if not path.exists():
        return ()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    rows: dict[tuple[int, str | None], MetricsRow] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = _metrics_row(json.loads(line))
        except (ValueError, OverflowError, RecursionError) as error:
            if number == len(lines) and isinstance(error, json.JSONDecodeError):
                continue  # torn by a kill; the stage repeats that epoch when it resumes
            raise _damaged(path, f"line {number}: {error}") from None
        rows.pop((row.epoch, row.phase), None)
        rows[row.epoch, row.phase] = row
    return tuple(sorted(rows.values(), key=lambda row: row.epoch))


def _metrics_row(data: Any) -> MetricsRow:
    epoch = data.get("epoch") if isinstance(data, dict) else None
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
        raise ValueError(f"a row must be a mapping whose 'epoch' is a whole number from 0, not {data!r}")
    phase = data.get("phase")
    numbers = {
        name: float(value)
        for name, value in data.items()
        if name != "epoch" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return MetricsRow(
        epoch=epoch,
        phase=phase if isinstance(phase, str) else None,
        values={name: value for name, value in numbers.items() if math.isfinite(value)},
        lost=tuple(name for name, value in numbers.items() if not math.isfinite(value)),
    )


def _damaged(path: Path, reason: str) -> CheckpointError:
    text = " ".join(reason.split())[:300]
    return CheckpointError(f"{path}: damaged file of a run: {text}; run its stage again, or delete the file")
