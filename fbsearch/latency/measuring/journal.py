"""The journal of a measurement: every event on disk as soon as it happened, so that a kill loses none.

A text file of one JSON object per line: a header that says what is being measured, then events in
order. It is only ever appended to. A kill can tear the last line; reading cuts it off.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from fbsearch.devices.log import Event, ModelRound, SentinelReading
from fbsearch.errors import TableError, TableFormatError, TableMismatchError, UnreadableFileError
from fbsearch.files import LINES_BYTES, check_regular, parse_json, read_open, sync_folder
from fbsearch.latency.calibration.design import Choices
from fbsearch.ownership import owned

FORMAT = "fbsearch.latency_journal"
VERSION = 1

_MOST_SECONDS = 1e9
"""Thirty years: sums of what is below stay numbers."""


@dataclass(frozen=True)
class PlannedNetworks:
    """Whole networks that are measured after the operators.

    Args:
        choices: of each network.
        converting_s: seconds of converting before them.
        measuring_s: seconds of measuring before them.
    """

    choices: tuple[Choices, ...]
    converting_s: float
    measuring_s: float


class Journal:
    """An open journal, ours alone until it is closed, as is the table that will be made of it.

    Args:
        path: the file; created where it is absent, continued where it is there.
        identity: everything that must be the same for the events of two runs to belong together.
        replaces: the table's file; None for none.
        remedy: what a person does to have the file elsewhere.

    Raises:
        TableMismatchError: if the file was begun with another identity; the message says what differs.
        TableFormatError: if it is damaged anywhere but at its end.
        TableError: if it cannot be written, or another process holds it or the table.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        *,
        replaces: Path | None = None,
        remedy: str = "choose another --out",
    ) -> None:
        self.path = path
        self._remedy = remedy
        self.events: list[Event] = []
        self.converting_s = 0.0
        self.networks: PlannedNetworks | None = None
        self._measured_s = 0.0
        with ExitStack() as held:
            for file in (path,) if replaces is None else (replaces, path):
                held.enter_context(owned(file, error=TableError, remedy=remedy))
            try:
                self._file = held.enter_context(path.open("a+b", buffering=0))
                sync_folder(path.parent)
            except OSError as error:
                raise TableError(
                    f"{path}: cannot write the journal: {error.strerror or error}; {remedy}"
                ) from None
            self._read_or_begin(identity)
            self._held = held.pop_all()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def append(self, event: Event) -> None:
        """Put an event on disk; at the sentinel's readings, through the system's caches too.

        Raises:
            TableError: if the disk does not take it.
        """
        if isinstance(event, SentinelReading):
            row: dict[str, Any] = {"sentinel_us": event.latency_us, "at_s": event.at_s}
            flags = {"is_start": event.is_start, "is_throttled": event.is_throttled}
            self._write(row | {name: True for name, is_set in flags.items() if is_set})
            os.fsync(self._file.fileno())
            self._measured_s = event.at_s
        else:
            self._write({"operator": event.name, "round_us": list(event.values_us)})

    def add_converting(self, seconds: float) -> None:
        """Record time spent on converting."""
        self.converting_s += seconds
        self._write({"converting_s": round(seconds, 3)})

    def plan_networks(self, networks: Sequence[Choices]) -> PlannedNetworks:
        """Record which whole networks are measured from here on; what is recorded already stands."""
        if self.networks is None:
            self._write({"networks": [list(choices) for choices in networks]})
            self.networks = self._planned(networks)
        return self.networks

    def _planned(self, networks: Sequence[Choices]) -> PlannedNetworks:
        return PlannedNetworks(tuple(networks), self.converting_s, self._measured_s)

    def delete(self) -> None:
        """Remove the file: the table holds it all."""
        self.path.unlink(missing_ok=True)

    def _read_or_begin(self, identity: Mapping[str, Any]) -> None:
        content = self._content()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._write({"format": FORMAT, "version": VERSION, "identity": identity})
            return
        self._check_header(self._parse(lines[0], 1), identity)
        for number, line in enumerate(lines[1:], start=2):
            self._take(self._parse(line, number), number)

    def _content(self) -> bytes:
        try:
            check_regular(self.path)  # a pipe has no start to go to
            self._file.seek(0)
            return read_open(self._file, most_bytes=LINES_BYTES)
        except UnreadableFileError as error:
            raise TableFormatError(
                f"{self.path}: no journal: {error}; move it away or {self._remedy}"
            ) from None

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = parse_json(line.decode())
        except (UnreadableFileError, UnicodeDecodeError):
            row = None
        if not isinstance(row, dict):
            raise self._damaged(number)
        return row

    def _check_header(self, header: dict[str, Any], identity: Mapping[str, Any]) -> None:
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise TableFormatError(
                f"{self.path}: no journal of this fbsearch's version; move it away or {self._remedy}"
            )
        before, now = _flat(header.get("identity")), _flat(json.loads(json.dumps(identity)))
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if names:
            differences = "; ".join(
                f"{name} {before.get(name)!r} then, {now.get(name)!r} now" for name in names
            )
            raise TableMismatchError(
                f"{self.path} holds an unfinished measurement of another kind: {differences}; "
                f"finish it with its own settings, delete it, or {self._remedy}"
            )

    def _take(self, row: dict[str, Any], number: int) -> None:
        fields = set(row)
        if fields == {"converting_s"} and _is_seconds(row["converting_s"]):
            self.converting_s += row["converting_s"]
        elif fields - {"is_start", "is_throttled"} == {"sentinel_us", "at_s"} and _is_latency(
            row["sentinel_us"]
        ):
            if not _is_seconds(row["at_s"]):
                raise self._damaged(number)
            self.events.append(
                SentinelReading(
                    row["sentinel_us"],
                    row["at_s"],
                    is_start=row.get("is_start") is True,
                    is_throttled=row.get("is_throttled") is True,
                )
            )
            self._measured_s = row["at_s"]
        elif fields == {"networks"} and self.networks is None and _is_networks(row["networks"]):
            self.networks = self._planned([tuple(choices) for choices in row["networks"]])
        elif fields == {"operator", "round_us"} and self.events and _is_round(row):
            self.events.append(ModelRound(row["operator"], tuple(row["round_us"])))
        else:
            raise self._damaged(number)

    def _damaged(self, number: int) -> TableFormatError:
        return TableFormatError(
            f"{self.path}: line {number} is damaged; delete that line to keep the others, "
            "or the file to start over"
        )

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        try:
            written = self._file.write(line)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        if written != len(line):
            raise self._unwritable("no space left on the device")

    def _unwritable(self, reason: str) -> TableError:
        return TableError(
            f"{self.path}: cannot write: {reason}; what was measured so far is kept there: "
            "put that right and run the same command again"
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}.{name}" if prefix else str(name)))
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= _MOST_SECONDS


def _is_latency(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_networks(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(choices, list) and all(type(choice) is int and choice >= 0 for choice in choices)
        for choices in value
    )


def _is_round(row: dict[str, Any]) -> bool:
    values = row["round_us"]
    return (
        isinstance(row["operator"], str)
        and isinstance(values, list)
        and bool(values)
        and all(_is_latency(value) for value in values)
    )
