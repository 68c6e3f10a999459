"""What ``onnxruntime_perf_test`` printed and wrote, in its forms since 2019, as figures.

Its text tells a mean in milliseconds and percentiles in seconds; its result file has a row for every
run, ``model,seconds,peak bytes,CPU share,number``, from which all figures are computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fbsearch.devices.adb.benchmark.launch_failures import Failure, check_launch
from fbsearch.devices.adb.benchmark.launch_figures import LaunchFigures
from fbsearch.devices.adb.readings.printed_text import (
    close_to,
    decimal_number,
    lines_of,
    quoted,
    whole_number,
)
from fbsearch.errors import MeasurementError

__all__ = ["LaunchFigures", "parse_perf_test"]

_TOOL = "onnxruntime_perf_test"
_OTHER_BUILD = "this build of ONNX Runtime does not take the model: use a newer one"
_FAILURES: tuple[Failure, ...] = (
    ("Unsupported model IR version", _OTHER_BUILD),
    ("Could not find an implementation for", _OTHER_BUILD),
    ("No Op registered for", _OTHER_BUILD),
    ("is not a registered function/op", _OTHER_BUILD),
    ("Load model from ", "the model is damaged or did not arrive: run again, so that it is pushed anew"),
    ("Exception during initialization", _OTHER_BUILD),
    ("[E:onnxruntime", "see docs of ONNX Runtime for this error; a newer build may help"),
    ("Must provide model and result file", "the launch was wrong for this build: use a newer one"),
)

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9 ]{1,40}?)(?: is |: ?)(?P<number>[0-9.eE+-]{1,30})\s{0,3}(?P<unit>sec|s|ms)?",
    re.ASCII,
)
_MEAN = ("Average time cost", "Average inference time cost", "Average inference time cost total")
_COUNT = ("Total inference requests", "Total iterations", "Runs")
_SECONDS = {"Min Latency": "min", "Max Latency": "max", "P50 Latency": "median", "P95 Latency": "p95"}
_OTHERS = {"Session creation time cost": ("init", "s"), "First inference time cost": ("first", "ms")}
_UNITS = {"s": 1e6, "sec": 1e6, "ms": 1e3}

_STATISTICS_ROW = re.compile(r"(?:Min|Max|P\d{2,3}) Latency(?: is |: ?)[0-9.eE+-]{1,30} ?s(?:ec)?", re.ASCII)
_MAX_RUNS = 10_000_000
_SIX_DIGITS = 1e-5


class _Text(NamedTuple):
    """What the text tells: runs, and latencies in microseconds by name."""

    num_runs: int
    latencies: dict[str, float]


def parse_perf_test(stdout: str, stderr: str, exit_code: int, *, result: str | None) -> LaunchFigures:
    """The figures of one launch, or an error: never a number that was not understood.

    Args:
        stdout: what the tool printed; where the transport cannot separate them, with stderr in it.
        stderr: what it printed as errors.
        exit_code: as the phone's shell tells it.
        result: the content of its result file (``-s`` is not needed); without one, the text must tell the
            smallest and the largest latency, and the standard deviation stays None.

    Raises:
        MeasurementError: naming the line, and what to do.
    """
    check_launch(_TOOL, stdout, stderr, exit_code, failures=_FAILURES)
    text = _read_text([*lines_of(stdout), *lines_of(stderr)])
    figures = _from_text(text) if result is None else _from_rows(text, _rows(result))
    if figures.latency_us <= 0:
        raise MeasurementError(f"{_TOOL} measured 0 us; measure a larger model")
    return figures


def _read_text(printed: Sequence[str]) -> _Text:
    """The figures that are known by name; a known name with an unreadable number is an error."""
    latencies: dict[str, float] = {}
    counts: set[int] = set()
    for line in printed:
        match = _LINE.fullmatch(line[:200].strip())
        name = match["name"] if match else line[:40].partition(":")[0].partition(" is ")[0]
        if name in _COUNT:
            count = whole_number(match["number"]) if match and match["unit"] is None else None
            if not count or count > _MAX_RUNS:
                raise _refusal(line)
            counts.add(count)
            continue
        key, units = _key(name)
        if key is None:
            continue
        value = decimal_number(match["number"]) if match else None
        if match is None or value is None or match["unit"] not in units or key in latencies:
            raise _refusal(line)
        latencies[key] = value * _UNITS[match["unit"]]
    if "mean" not in latencies or len(counts) != 1:
        last = next((line for line in reversed(printed) if line.strip()), "")
        raise MeasurementError(
            f"{_TOOL} did not tell one number of runs and their average time cost: "
            f"its last line is {quoted(last)}; run again"
        )
    return _Text(counts.pop(), latencies)


def _key(name: str) -> tuple[str | None, tuple[str, ...]]:
    """What a line's name stands for, and the units it may have."""
    if name in _MEAN:
        return "mean", ("ms",)
    if name in _SECONDS:
        return _SECONDS[name], ("s", "sec")
    if name in _OTHERS:
        key, unit = _OTHERS[name]
        return key, (unit,)
    return None, ()


def _from_text(text: _Text) -> LaunchFigures:
    known = text.latencies
    if "min" not in known or "max" not in known:
        raise MeasurementError(
            f"{_TOOL} printed no smallest and largest latency and left no result file: use a newer build"
        )
    ordered = [known[name] for name in ("min", "median", "p95", "max") if name in known]
    low, high = known["min"] * (1 - _SIX_DIGITS), known["max"] * (1 + _SIX_DIGITS)
    if ordered != sorted(ordered) or not low <= known["mean"] <= high:
        raise MeasurementError(f"{_TOOL} printed latencies that contradict each other; run again")
    return LaunchFigures(
        count=text.num_runs,
        mean_us=known["mean"],
        min_us=known["min"],
        max_us=known["max"],
        std_us=None,
        median_us=known.get("median"),
        p95_us=known.get("p95"),
        init_us=known.get("init"),
        first_us=known.get("first"),
    )


def _from_rows(text: _Text, seconds: np.ndarray) -> LaunchFigures:
    values = seconds * 1e6
    mean = float(values.mean())
    if len(values) != text.num_runs or not close_to(mean, text.latencies["mean"], relative=_SIX_DIGITS):
        raise MeasurementError(
            f"the result file tells of {len(values)} runs of {mean:g} us, the text of {text.num_runs} of "
            f"{text.latencies['mean']:g} us: it is of another launch; remove it and run again"
        )
    p5, median, p95 = (float(value) for value in np.percentile(values, (5, 50, 95)))
    return LaunchFigures(
        count=len(values),
        mean_us=mean,
        min_us=float(values.min()),
        max_us=float(values.max()),
        std_us=float(values.std()),
        median_us=median,
        p5_us=p5,
        p95_us=p95,
        init_us=text.latencies.get("init"),
        first_us=text.latencies.get("first"),
    )


def _rows(result: str) -> np.ndarray:
    """The seconds of every run; the statistics that may follow the rows are left to the text."""
    rows = [line for line in lines_of(result) if line.strip() and not _STATISTICS_ROW.fullmatch(line.strip())]
    if not rows or len(rows) > _MAX_RUNS:
        raise MeasurementError(f"the result file of {_TOOL} has {len(rows)} rows of runs; run again")
    if rows[-1] == result[-len(rows[-1]) :] and len(rows) > 1:
        raise MeasurementError(f"the result file of {_TOOL} is cut short at {quoted(rows[-1])}; run again")
    return np.array([_seconds(row, number) for number, row in enumerate(rows)], dtype=np.float64)


def _seconds(row: str, number: int) -> float:
    """The latency in a row; a model's name may hold commas where the row's own number says so."""
    cells = row[:4000].rsplit(",", 4)
    if len(cells) == 5 and whole_number(cells[4].strip()) == number:
        text = cells[1]
    else:
        cells = row[:4000].split(",")
        text = cells[1] if len(cells) > 1 and all(_is_plain(cell) for cell in cells[1:]) else ""
    value = decimal_number(text.strip())
    if value is None or len(row) > 4000:
        raise MeasurementError(
            f"row {number + 1} of {_TOOL}'s result file is no run: {quoted(row)}; run again"
        )
    return value


def _is_plain(cell: str) -> bool:
    return decimal_number(cell.strip().removeprefix("-")) is not None


def _refusal(line: str) -> MeasurementError:
    return MeasurementError(f"{_TOOL} printed a line that cannot be read: {quoted(line)}; run again")
