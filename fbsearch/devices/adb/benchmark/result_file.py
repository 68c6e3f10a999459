"""The file that ``benchmark_model --result_file_path`` writes, decoded without protobuf.

It is one ``BenchmarkResult`` message (``benchmark_result.proto``): latencies in field 2 as floats in
milliseconds, run counts in field 4. Fields that are not known are skipped, as protobuf does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fbsearch.errors import MeasurementError

_LATENCY, _MISC = 2, 4
_NAMES = {1: "mean", 2: "min", 3: "max", 4: "std", 5: "median", 6: "p5", 7: "p95", 8: "init", 9: "first"}
_NUM_RUNS = 2
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ResultFile:
    """Latencies in microseconds, exact to a float's seven digits; None where the file lacks one."""

    count: int
    mean_us: float
    min_us: float
    max_us: float
    std_us: float | None
    median_us: float | None
    p5_us: float | None
    p95_us: float | None
    init_us: float | None
    first_us: float | None


def decode_result_file(content: bytes) -> ResultFile:
    """Decode the file's content.

    Raises:
        MeasurementError: if it is damaged, lacks the measured figures or holds impossible ones.
    """
    if len(content) > _MAX_BYTES:
        raise _refusal(f"{len(content)} bytes are too many")
    latencies: dict[str, float] = {}
    count: int | None = None
    for field, value in _fields(content):
        if field == _LATENCY:
            latencies |= _latencies(value)
        elif field == _MISC:
            for inner, number in _fields(_message(value)):
                if inner == _NUM_RUNS:
                    count = number if isinstance(number, int) else None
    missing = [name for name in ("mean", "min", "max") if name not in latencies]
    if missing or count is None or not 1 <= count < 1 << 31:
        raise _refusal(f"it lacks {', '.join(missing) or 'the number of runs'}")
    ordered = [latencies[name] for name in ("min", "p5", "median", "p95", "max") if name in latencies]
    low, high = latencies["min"] * (1 - 1e-6), latencies["max"] * (1 + 1e-6)
    if ordered != sorted(ordered) or not low <= latencies["mean"] <= high:
        raise _refusal("its figures contradict each other")
    return ResultFile(
        count=count,
        mean_us=latencies["mean"],
        min_us=latencies["min"],
        max_us=latencies["max"],
        std_us=latencies.get("std"),
        median_us=latencies.get("median"),
        p5_us=latencies.get("p5"),
        p95_us=latencies.get("p95"),
        init_us=latencies.get("init"),
        first_us=latencies.get("first"),
    )


def _latencies(value: int | float | bytes) -> dict[str, float]:
    found: dict[str, float] = {}
    for field, number in _fields(_message(value)):
        name = _NAMES.get(field)
        if name is None:
            continue
        if not isinstance(number, float) or not math.isfinite(number) or number < 0:
            raise _refusal(f"its {name} is no latency")
        found[name] = number * 1000
    return found


def _message(value: int | float | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise _refusal("a message was expected")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Field numbers and values of a protobuf message (wire types varint, 64-bit, bytes, 32-bit)."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        field, kind = key >> 3, key & 7
        if kind == 0:
            number, position = _varint(content, position)
            yield field, number
            continue
        if kind == 2:
            size, position = _varint(content, position)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if field == 0 or size < 0 or position + size > len(content):
            raise _refusal("it is damaged or cut short")
        raw = content[position : position + size]
        position += size
        if kind == 2:
            yield field, raw
        else:
            value: float = struct.unpack("<d" if kind == 1 else "<f", raw)[0]
            yield field, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            raise _refusal("it is cut short")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _refusal("it is damaged")


def _refusal(why: str) -> MeasurementError:
    return MeasurementError(f"the result file of benchmark_model cannot be used: {why}; run again")
