"""The line in which ``benchmark_model`` tells the statistics of a loop of invocations.

Its forms, as ``stats_calculator.h`` of TensorFlow writes them::

    count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470
    count=1 curr=633430
    count=12 curr=85(all same)
    count=0

each behind ``INFO: `` in builds since 2020, and followed by `` p5=… median=… p95=…`` in those since 2025.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fbsearch.devices.adb.readings.printed_text import decimal_number, quoted, whole_number
from fbsearch.errors import MeasurementError

_PREFIX = "INFO: "
_START = "count="
_ALL_SAME = "(all same)"
_PAIR = re.compile(r"([a-z][a-z0-9_]{0,15})=([^=\s]{1,32})", re.ASCII)
_MAX_CHARACTERS = 500
_ROUNDING = 1e-5
"""Means are printed with six significant digits."""

_PERCENTILES = ("p5", "median", "p95")
_SPREAD = ("first", "min", "max", "avg", "std")


@dataclass(frozen=True)
class LoopStatistics:
    """The statistics of one loop, in microseconds; all None where it did not run once.

    Args:
        line: the line that tells them, for messages.
        count: invocations.
        first_us, mean_us, min_us, max_us, std_us: as :class:`LaunchFigures` has them.
        median_us, p5_us, p95_us: None in older builds.
    """

    line: str
    count: int
    first_us: float | None = None
    mean_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    median_us: float | None = None
    p5_us: float | None = None
    p95_us: float | None = None


def is_statistics_line(line: str) -> bool:
    """Whether the line starts as one; the profiler's ``Timings (microseconds): count=…`` does not."""
    return line.removeprefix(_PREFIX).startswith(_START)


def parse_statistics_line(line: str) -> LoopStatistics:
    """Read such a line.

    Raises:
        MeasurementError: if it is incomplete, holds anything but finite numbers, or contradicts itself.
    """
    if len(line) > _MAX_CHARACTERS:
        raise _refusal(line, "too long")
    body, same, rest = line.removeprefix(_PREFIX).rstrip().partition(_ALL_SAME)
    values = _pairs(line, body, rest)
    count = whole_number(values.pop("count"))
    if count is None:
        raise _refusal(line, "its count is no number")
    if count == 0:
        return LoopStatistics(line, 0)
    numbers = {name: _number(line, name, text) for name, text in values.items()}
    if any(name in numbers for name in _SPREAD):
        if same or not all(name in numbers for name in (*_SPREAD, "curr")):
            raise _refusal(line, "figures are missing")
    elif "curr" in numbers and bool(same) == (count > 1):
        numbers |= dict.fromkeys(("first", "min", "max", "avg"), numbers["curr"]) | {"std": 0.0}
    else:
        raise _refusal(line, "figures are missing")
    _check(line, count, numbers)
    return LoopStatistics(
        line,
        count,
        first_us=numbers["first"],
        mean_us=numbers["avg"],
        min_us=numbers["min"],
        max_us=numbers["max"],
        std_us=numbers["std"],
        median_us=numbers.get("median"),
        p5_us=numbers.get("p5"),
        p95_us=numbers.get("p95"),
    )


def _pairs(line: str, body: str, rest: str) -> dict[str, str]:
    if rest and not rest.startswith(" "):
        raise _refusal(line, "not key=value")
    values: dict[str, str] = {}
    for token in (body + rest).split(" "):
        pair = _PAIR.fullmatch(token)
        if not pair:
            raise _refusal(line, f"{quoted(token)} is not key=value")
        if pair[1] in values:
            raise _refusal(line, f"{pair[1]} stands there twice")
        values[pair[1]] = pair[2]
    return values


def _number(line: str, name: str, text: str) -> float:
    value = decimal_number(text)
    if value is None:
        raise _refusal(line, f"{name} is no number")
    return value


def _check(line: str, count: int, numbers: Mapping[str, float]) -> None:
    """What holds for the statistics of any ``count`` numbers, but for rounding."""
    low, high, mean, std = (numbers[name] for name in ("min", "max", "avg", "std"))
    rounding = _ROUNDING * high + 1e-6
    share = (high - low) / count  # one value is the smallest, one the largest
    known = [numbers[name] for name in _PERCENTILES if name in numbers]
    if len(known) not in (0, len(_PERCENTILES)):
        raise _refusal(line, "percentiles are missing")
    if not (
        low <= numbers["first"] <= high
        and low <= numbers["curr"] <= high
        and (count > 1 or low == high)
        and low + share - rounding <= mean <= high - share + rounding
        and std <= (high - low) / 2 + 1 + rounding
        and known == sorted(known)
        and all(low <= value <= high for value in known)
    ):
        raise _refusal(line, "its figures contradict each other")


def _refusal(line: str, why: str) -> MeasurementError:
    return MeasurementError(
        f"benchmark_model printed statistics that cannot be read ({why}): {quoted(line)}; "
        "run again, and if it stays, use an official binary"
    )
