"""The latency table: measured operators of a space, with everything that says where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fbsearch.architecture import Architecture, Operator
from fbsearch.devices.description import DeviceDescription, RuntimeDescription
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import (
    ArchitectureError,
    MissingOperatorError,
    TableError,
    TableFormatError,
    TableMismatchError,
    UnreadableFileError,
)
from fbsearch.files import JSON_BYTES, read_text, write_json
from fbsearch.latency.calibration.calibration import Calibration
from fbsearch.latency.calibration.terms import charged_keys
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.entries.header import SentinelRecord, TableHeader, TableSeconds, parse_header
from fbsearch.latency.entries.json_text import parse_table_json
from fbsearch.spaces import Space


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of operators on one device, one runtime, one thread count and one precision.

    Args:
        header: what was measured, where, with what and how.
        entries: by operator key; those that are free have none, they cost 0.
        source: the file it came from, for messages.
        calibration: whole networks and the model that ties the entries to them, where they were measured.
    """

    header: TableHeader
    entries: Mapping[str, TableEntry]
    source: str = "this table"
    calibration: Calibration | None = None

    @property
    def device(self) -> DeviceDescription:
        """Where it was measured."""
        return self.header.device

    @property
    def runtime(self) -> RuntimeDescription:
        """With what it was measured."""
        return self.header.runtime

    @property
    def protocol(self) -> MeasurementProtocol:
        """How it was measured."""
        return self.header.protocol

    @property
    def space_name(self) -> str:
        """The space it was measured for, by name."""
        return self.header.space.name

    @property
    def space_fingerprint(self) -> str:
        """The space it was measured for, by content."""
        return self.header.space.fingerprint

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not as it should be while measuring."""
        return self.header.warnings

    @property
    def seconds(self) -> TableSeconds:
        """What it took."""
        return self.header.seconds

    @property
    def sentinel(self) -> SentinelRecord:
        """The sentinel's readings."""
        return self.header.sentinel

    def latency_us(self, operator: Operator) -> float:
        """The operator's latency in microseconds; 0 for one that is free, such as an identity.

        Raises:
            MissingOperatorError: if the table has no entry for it.
        """
        if operator.is_free:
            return 0.0
        entry = self.entries.get(operator.key)
        if entry is None:
            raise MissingOperatorError(
                f"{self.source} has no entry for {operator.key} (it holds {len(self.entries)} operators "
                f"of space {self.space_name!r}); add it: fbsearch table grow TABLE.json ARCHITECTURE.json; "
                f"or profile the space that holds it: {self._command()}"
            )
        return entry.latency_us

    def architecture_us(self, architecture: Architecture) -> float:
        """The plain sum of the latencies of the operators that are computed, in microseconds.

        Raises:
            MissingOperatorError: if the table lacks one of them.
        """
        return sum(map(self.latency_us, architecture.computed_operators()))

    def calibrated_us(self, architecture: Architecture) -> float | None:
        """The architecture's calibrated latency, or None where no calibration speaks for it."""
        if self.calibration is None:
            return None
        return self.calibration.architecture_us(architecture, self.latency_us)

    def calibration_for(self, space: Space, *, least: int = 0) -> Calibration | None:
        """The calibration, if it speaks for ``space`` and rests on at least so many networks."""
        known = self.calibration
        if known is None or not known.matches(space) or len(known.networks) < least:
            return None
        return known

    def with_calibration(self, calibration: Calibration | None) -> LatencyTable:
        """The same table with another calibration."""
        return replace(self, calibration=calibration)

    def with_warning(self, warning: str) -> LatencyTable:
        """The same table with one more warning."""
        header = self.header.model_copy(update={"warnings": (*self.warnings, warning)})
        return replace(self, header=header)

    def missing(self, operators: Iterable[Operator]) -> list[str]:
        """Keys of those, each once, that it has no entry for and that are not free."""
        return [key for key in dict.fromkeys(charged_keys(operators)) if key not in self.entries]

    def check_space(self, space: Space) -> None:
        """Refuse a space that this table cannot price.

        A table of another space is accepted when it happens to hold every operator; an open space is, since
        its operators are measured when they are asked for.

        Raises:
            MissingOperatorError: if it was measured for this space and yet lacks operators.
            TableMismatchError: if it was measured for another space and lacks operators of this one.
        """
        missing = self.missing(space.operators() or ())
        if not missing:
            return
        examples = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        if self.space_fingerprint == space.fingerprint:
            raise MissingOperatorError(
                f"{self.source} was measured for space {space.name!r} but lacks {len(missing)} "
                f"of its operators: {examples}; profile it again: {self._command(space.name)}"
            )
        raise TableMismatchError(
            f"{self.source} was measured for space {self.space_name!r} "
            f"(fingerprint {self.space_fingerprint[:8]}), not for {space.name!r} ({space.fingerprint[:8]}), "
            f"and lacks {len(missing)} of its operators: "
            f"{examples}; profile this space: {self._command(space.name)}"
        )

    def check_device(self, device: DeviceDescription, runtime: RuntimeDescription) -> tuple[str, ...]:
        """Refuse a device or a runtime that this table does not speak for.

        Returns:
            Differences that may matter but do not forbid its use, such as another version of the runtime.

        Raises:
            TableMismatchError: naming both sides.
        """
        for what, own, given in (
            ("on", self.device.identity, device.identity),
            ("with", self.runtime.identity, runtime.identity),
        ):
            if own != given:
                raise TableMismatchError(
                    f"{self.source} was measured {what} {own}; in use is {given}; "
                    "use a table of this device and runtime, or profile one"
                )
        own_package = f"{self.runtime.package} {self.runtime.version}"
        package = f"{runtime.package} {runtime.version}"
        if own_package != package:
            return (f"{self.source} was measured with {own_package}; in use is {package}",)
        return ()

    def save(self, path: Path) -> None:
        """Write the table to ``path``, atomically.

        Raises:
            TableError: if it cannot be written.
        """
        try:
            write_json(path, self.to_dict())
        except OSError as error:
            raise TableError(
                f"{path}: cannot write the table: {error.strerror or error}; free space or write elsewhere"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        entries = {key: entry.to_dict() for key, entry in self.entries.items()}
        data = {**self.header.model_dump(mode="json"), "entries": entries}
        return data if self.calibration is None else data | {"calibration": self.calibration.to_dict()}

    @staticmethod
    def load(path: Path) -> LatencyTable:
        """Read and check a table.

        Raises:
            TableFormatError: if the file cannot be read, is no table, or one of another version or unit.
            TableValueError: if it holds an impossible number, or one that its raw values contradict.
        """
        try:
            text = read_text(path, most_bytes=JSON_BYTES)
        except UnreadableFileError as error:
            raise TableFormatError(f"{path}: cannot read a latency table: {error}") from None
        return LatencyTable.from_dict(parse_table_json(text, source=str(path)), source=str(path))

    @staticmethod
    def from_dict(data: Any, *, source: str = "this table") -> LatencyTable:
        """The table whose :meth:`to_dict` is ``data``.

        Raises:
            TableFormatError, TableValueError: as :meth:`load`.
        """
        header = parse_header(data, source=source)
        raw = data.get("entries")
        if not isinstance(raw, Mapping) or not raw:
            raise TableFormatError(f"{source}: 'entries' must be an object with at least one operator")
        entries = {}
        for key, value in raw.items():
            try:
                Operator.from_key(key)
            except ArchitectureError as error:
                raise TableFormatError(f"{source}: entry {key!r}: {error}") from None
            entries[key] = TableEntry.from_dict(value, header.protocol, place=f"{source}: entry {key}")
        table = LatencyTable(header, entries, source)
        if "calibration" not in data:
            return table
        place = f"{source}: calibration"
        return table.with_calibration(
            Calibration.from_dict(data["calibration"], table.latency_us, source=place)
        )

    def _command(self, space: str = "SPACE") -> str:
        return (
            f"fbsearch profile --space {space} --device {self.device.name} --runtime {self.runtime.name} "
            f"--threads {self.runtime.threads} --out TABLE.json"
        )
