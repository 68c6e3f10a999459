"""``metrics.jsonl``: a row of numbers per epoch of a search or a training."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.errors import CheckpointError, MalformedJsonError, UnreadableFileError
from fbsearch.files import LINES_BYTES, parse_json, read_text, write_text
from fbsearch.records.record import damaged

METRICS = "metrics.jsonl"


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


def write_metrics(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Write all rows, atomically; what is not finite becomes None."""
    finite = [{key: value if _is_plain(value) else None for key, value in row.items()} for row in rows]
    write_text(path, "".join(json.dumps(row) + "\n" for row in finite))


def read_metrics(path: Path) -> tuple[MetricsRow, ...]:
    """The rows by epoch and phase, none where there is no file; of repeated ones the last counts.

    A torn last line is left aside: the stage was killed while it wrote, and repeats that epoch.

    Raises:
        CheckpointError: if the file is damaged.
    """
    if not path.exists():
        return ()
    try:
        lines = read_text(path, most_bytes=LINES_BYTES).splitlines()
    except UnreadableFileError as error:
        raise _damaged(path, str(error)) from None
    rows: dict[tuple[int, str | None], MetricsRow] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = _row(parse_json(line, allow_nan=True))
        except MalformedJsonError as error:
            if number == len(lines):
                continue
            raise _damaged(path, f"line {number}: {error}") from None
        except (UnreadableFileError, ValueError) as error:
            raise _damaged(path, f"line {number}: {error}") from None
        rows.pop((row.epoch, row.phase), None)
        rows[row.epoch, row.phase] = row
    return tuple(sorted(rows.values(), key=lambda row: row.epoch))


def _row(data: Any) -> MetricsRow:
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


def _is_plain(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _damaged(path: Path, reason: str) -> CheckpointError:
    return damaged(path, reason, f"fbsearch {path.parent.name}")
