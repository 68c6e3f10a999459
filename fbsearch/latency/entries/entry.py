"""One entry of a latency table: an operator's statistics and the raw values behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.errors import TableFormatError, TableValueError

_NUMBERS = ("latency_us", "min_us", "mean_us", "p95_us")
_SPREADS = ("std_us", "relative_ci")
_FIELDS = (*_NUMBERS, *_SPREADS, "is_converged", "num_discarded", "rounds_us")
_DECIMALS = 4
_LARGEST_US = 1e12  # eleven days: beyond, sums of squares would overflow and the file is damaged anyway


@dataclass(frozen=True)
class TableEntry:
    """The latency of one operator in microseconds; see :class:`Measurement` for the statistics."""

    latency_us: float
    min_us: float
    mean_us: float
    std_us: float
    p95_us: float
    relative_ci: float
    is_converged: bool
    num_discarded: int
    rounds_us: tuple[tuple[float, ...], ...]

    @staticmethod
    def of(measurement: Measurement) -> TableEntry:
        """The entry that holds ``measurement``."""
        return TableEntry(
            latency_us=round(measurement.latency_us, _DECIMALS),
            min_us=round(measurement.min_us, _DECIMALS),
            mean_us=round(measurement.mean_us, _DECIMALS),
            std_us=round(measurement.std_us, _DECIMALS),
            p95_us=round(measurement.p95_us, _DECIMALS),
            relative_ci=round(measurement.relative_ci, 6),
            is_converged=measurement.is_converged,
            num_discarded=measurement.num_discarded,
            rounds_us=measurement.rounds_us,
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {name: getattr(self, name) for name in _FIELDS}

    @staticmethod
    def from_dict(data: Any, protocol: MeasurementProtocol, *, place: str) -> TableEntry:
        """The entry whose :meth:`to_dict` is ``data``, checked against its own raw values.

        Args:
            data: parsed JSON.
            protocol: under which it was measured.
            place: file and key, for messages.

        Raises:
            TableFormatError: if a field is missing, unknown or of the wrong type.
            TableValueError: if a number is impossible or disagrees with the raw values.
        """
        if not isinstance(data, Mapping):
            raise TableFormatError(f"{place}: must be an object with {', '.join(_FIELDS)}")
        if set(data) != set(_FIELDS):
            raise TableFormatError(f"{place}: {_field_problem(data)}")
        entry = TableEntry(
            **{name: parse_number(data[name], f"{place}: {name}", positive=True) for name in _NUMBERS},
            **{name: parse_number(data[name], f"{place}: {name}", positive=False) for name in _SPREADS},
            is_converged=_flag(data["is_converged"], f"{place}: is_converged"),
            num_discarded=_count(data["num_discarded"], f"{place}: num_discarded"),
            rounds_us=_rounds(data["rounds_us"], f"{place}: rounds_us"),
        )
        _check_statistics(entry, protocol, place)
        return entry


def _field_problem(data: Mapping[str, Any]) -> str:
    missing = [name for name in _FIELDS if name not in data]
    if missing:
        return f"{missing[0]!r} is missing"
    unknown = next(name for name in data if name not in _FIELDS)
    return f"unknown field {unknown!r}; fields are {', '.join(_FIELDS)}"


def parse_number(value: Any, place: str, *, positive: bool) -> float:
    """``value`` as a latency, or a share, that a measurement can give.

    Raises:
        TableFormatError: if it is no number.
        TableValueError: if it is impossible.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TableFormatError(f"{place} must be a number, not {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise TableValueError(f"{place} is {number}, which no measurement gives; profile it again")
    if number > _LARGEST_US:
        raise TableValueError(f"{place} is {number:g} microseconds, which is no latency; profile it again")
    if number < 0 or (positive and number == 0):
        allowed = "above 0" if positive else "at least 0"
        raise TableValueError(f"{place} is {number:g}; it must be {allowed}; profile it again")
    return number


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise TableFormatError(f"{place} must be true or false, not {_shown(value)}")
    return value


def _count(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TableFormatError(f"{place} must be a whole number, not {_shown(value)}")
    if value < 0:
        raise TableValueError(f"{place} is negative; profile it again")
    return value


def _rounds(value: Any, place: str) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, list) or not value:
        raise TableFormatError(f"{place} must be a list of rounds, not {_shown(value)}")
    rounds = []
    for index, values in enumerate(value):
        if not isinstance(values, list) or not values:
            raise TableFormatError(f"{place}[{index}] must be a list of latencies, not {_shown(values)}")
        rounds.append(tuple(parse_number(v, f"{place}[{index}]", positive=True) for v in values))
    return tuple(rounds)


def _check_statistics(entry: TableEntry, protocol: MeasurementProtocol, place: str) -> None:
    """Recompute every statistic from the raw values: an edited number does not pass for a measured one."""
    measured = Measurement(
        entry.rounds_us,
        confidence=protocol.confidence,
        target_relative_ci=protocol.target_relative_ci,
    )
    for name in (*_NUMBERS, *_SPREADS):
        stored, computed = getattr(entry, name), getattr(measured, name)
        tolerance = 2e-6 if name == "relative_ci" else 2 * 10**-_DECIMALS
        if not math.isclose(stored, computed, rel_tol=1e-6, abs_tol=tolerance):
            raise TableValueError(
                f"{place}: {name} is {stored:g}, but its raw values give {computed:.{_DECIMALS}f}; "
                "the file was changed after measuring: profile it again"
            )
    if entry.is_converged != measured.is_converged:
        raise TableValueError(
            f"{place}: is_converged is {str(entry.is_converged).lower()}, but its raw values say otherwise; "
            "the file was changed after measuring: profile it again"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
