"""A table's header: everything but its entries, as validated records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fbsearch.architecture import Operator
from fbsearch.devices.description import DeviceDescription, RuntimeDescription
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import ArchitectureError, TableFormatError, TableValueError

FORMAT: Final = "fbsearch.latency_table"
VERSION: Final = 2
READABLE: Final = (1, 2)
"""Version 1 had no calibration; it is read as a version 2 without one."""
UNIT: Final = "us"

_NUMBER_ERRORS = ("finite_number", "greater_than", "greater_than_equal", "less_than", "less_than_equal")


class TableRecord(BaseModel):
    """A part of a table's file: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Record_co = TypeVar("_Record_co", bound=TableRecord)


class SpaceReference(TableRecord):
    """The space a table was measured for."""

    name: Annotated[str, Field(min_length=1)]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TableSeconds(TableRecord):
    """Wall time, summed over interrupted runs."""

    converting: Annotated[float, Field(ge=0)]
    measuring: Annotated[float, Field(ge=0)]


class SentinelRecord(TableRecord):
    """The sentinel's readings, in order of time."""

    operator: str
    baseline_us: Annotated[float, Field(gt=0)]
    readings_us: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, strict=False)]
    num_windows: Annotated[int, Field(ge=0)]
    num_discarded_windows: Annotated[int, Field(ge=0)]


class TableHeader(TableRecord):
    """What was measured, where, with what and how."""

    format: Literal["fbsearch.latency_table"] = FORMAT
    version: Literal[2] = VERSION
    unit: Literal["us"] = UNIT
    device: DeviceDescription
    runtime: RuntimeDescription
    space: SpaceReference
    protocol: MeasurementProtocol
    seed: Annotated[int, Field(ge=0)]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\+00:00|Z)$")]
    seconds: TableSeconds
    sentinel: SentinelRecord
    warnings: Annotated[tuple[str, ...], Field(strict=False)] = ()


def parse_header(data: Any, *, source: str) -> TableHeader:
    """The header of a table's JSON form.

    Raises:
        TableFormatError: if it is no table, of another version or unit, or a field is wrong.
        TableValueError: if a number is out of range.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise TableFormatError(f"{source}: no latency table: 'format' must be {FORMAT!r}")
    version = data.get("version")
    if type(version) is not int or version not in READABLE:
        raise TableFormatError(
            f"{source}: latency table of version {version!r}; "
            f"this fbsearch reads versions {' and '.join(map(str, READABLE))}"
        )
    if data.get("unit") != UNIT:
        raise TableFormatError(
            f"{source}: unit {data.get('unit')!r}; latencies must be in {UNIT!r} (microseconds)"
        )
    others = ("entries", "calibration") if version == VERSION else ("entries",)
    fields = {name: value for name, value in data.items() if name not in others}
    header = validate_record(TableHeader, {**fields, "version": VERSION}, source=source)
    _check_sentinel(header.sentinel, source)
    return header


def validate_record(model: type[_Record_co], data: Any, *, source: str) -> _Record_co:
    """``data`` as a ``model``, with pydantic's first complaint as one line.

    Raises:
        TableFormatError: if a field is missing, unknown or of the wrong type.
        TableValueError: if a number is out of range.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        kind = TableValueError if first["type"] in _NUMBER_ERRORS else TableFormatError
        raise kind(f"{source}: {place}: {_sentence(first['msg'])}") from None


def _check_sentinel(sentinel: SentinelRecord, source: str) -> None:
    try:
        Operator.from_key(sentinel.operator)
    except ArchitectureError as error:
        raise TableFormatError(f"{source}: sentinel.operator: {error}") from None
    if sentinel.num_discarded_windows > sentinel.num_windows:
        raise TableValueError(f"{source}: sentinel: more windows discarded than there were")


def _sentence(message: str) -> str:
    """Pydantic's message without its line breaks and its ``Value error,``."""
    return re.sub(r"\s+", " ", message).removeprefix("Value error, ")
