"""What TFLite's ``benchmark_model`` printed, in every official form since 2018, as figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fbsearch.devices.adb.benchmark.delegation import DelegateName, delegate_that_ran
from fbsearch.devices.adb.benchmark.launch_failures import SETUP_COMMAND, Failure, check_launch
from fbsearch.devices.adb.benchmark.launch_figures import LaunchFigures
from fbsearch.devices.adb.benchmark.result_file import ResultFile, decode_result_file
from fbsearch.devices.adb.benchmark.statistics_line import (
    LoopStatistics,
    is_statistics_line,
    parse_statistics_line,
)
from fbsearch.devices.adb.readings.printed_text import close_to, decimal_number, lines_of, quoted
from fbsearch.errors import MeasurementError

__all__ = ["DelegateName", "LaunchFigures", "parse_benchmark"]

_TOOL = "benchmark_model"
_NEWER = f"the binary is older than the model: fetch a newer one with '{SETUP_COMMAND}'"
_FAILURES: tuple[Failure, ...] = (
    ("Didn't find op for builtin opcode", _NEWER),
    ("Encountered unresolved custom op", "the binary lacks this operator: use one that has it"),
    ("Select TensorFlow op(s)", "the model needs TensorFlow's own operators: use a '_plus_flex' binary"),
    ("Could not open '", "the model did not arrive on the phone: run again, so that it is pushed anew"),
    ("Failed to load model", "the model is damaged or did not arrive: run again, so that it is pushed anew"),
    ("Disallowed CPU fallback detected", "the delegate does not take this model: choose another delegate"),
    ("Failed to apply ", "the delegate refuses this model: choose another delegate"),
    (
        "Failed to allocate tensors",
        "the model does not fit this binary, or memory is short: try a newer binary",
    ),
    ("Registration failed", _NEWER),
    ("Failed to initialize the interpreter", _NEWER),
    (
        "Unconsumed cmdline flags",
        f"the binary ignores flags that it does not know, so its figures mean something else: "
        f"fetch a newer one with '{SETUP_COMMAND}'",
    ),
)

_SUMMARY = re.compile(r"(?:INFO: )?(?:Average inference|Inference) timings in us: (.{1,300})")
_SUMMARY_NAMES = {
    "Init": "init",
    "First inference": "first",
    "Warmup": "warmup",
    "Warmup (avg)": "warmup",
    "Inference (avg)": "mean",
    "Inference": "mean",
    "no stats": "mean",
}
_LITERT_SUMMARY = re.compile(
    r".{0,120}?\bInference \(avg\):\s{1,20}([0-9.]{1,20}) ms \(([0-9]{1,12}) runs\)\s*"
)
_SIX_DIGITS = 1e-5
_LONGEST_LINE = 1000
_WHOLE_US = ("min_us", "max_us", "median_us", "p5_us", "p95_us", "init_us", "first_us")
_COMPARED = {"mean_us": (_SIX_DIGITS, 0.01), "std_us": (2e-7, 1.01)} | dict.fromkeys(_WHOLE_US, (2e-7, 0.01))
"""What text and result file both tell, and how far rounding may part them: a share, and microseconds."""


def parse_benchmark(
    stdout: str,
    stderr: str,
    exit_code: int,
    *,
    delegate: DelegateName,
    result: bytes | None = None,
    may_be_partial: bool = False,
) -> LaunchFigures:
    """The figures of one launch, or an error: never a number that was not understood.

    Two statistics lines are required, of the warm-up and of the measured loop, and a sign that the
    output is complete: the summary that follows them, or the result file. All of them must agree.

    Args:
        stdout: what the tool printed; where the transport cannot separate them, with stderr in it.
        stderr: what it printed as errors.
        exit_code: as the phone's shell tells it.
        delegate: what the launch asked for.
        result: the content of ``--result_file_path``; it holds the mean to more digits than the text.
        may_be_partial: whether the delegate may leave operators to other kernels (as XNNPACK does on the
            same processor); the figures then say so.

    Raises:
        MeasurementError: naming the line, and what to do.
    """
    check_launch(_TOOL, stdout, stderr, exit_code, failures=_FAILURES)
    printed = [*lines_of(stdout), *lines_of(stderr)]
    taker = delegate_that_ran(printed, delegate, may_be_partial=may_be_partial)
    warm_up, measured = _loops(printed)
    summary = _summary(printed)
    if summary:
        _check_agreement(summary, warm_up, measured)
    elif not _check_litert_summary(printed, measured, stdout) and result is None:
        raise MeasurementError(
            f"the output of {_TOOL} is cut short: nothing follows {quoted(measured.line)}; run again"
        )
    figures = _figures(measured, init_us=summary.get("init"), first_us=warm_up.first_us, delegate=taker)
    return figures if result is None else _refined(figures, decode_result_file(result))


def _loops(printed: Sequence[str]) -> tuple[LoopStatistics, LoopStatistics]:
    found = [line for line in printed if is_statistics_line(line)]
    if len(found) != 2:
        last = next((line for line in reversed(found or printed) if line.strip()), "")
        raise MeasurementError(
            f"{_TOOL} printed {len(found)} statistics lines ('count=…') where two are due, of the warm-up "
            f"and of the measured runs: the last line is {quoted(last)}; run again"
        )
    warm_up, measured = (parse_statistics_line(line) for line in found)
    if measured.count == 0:
        raise MeasurementError(
            f"{_TOOL} measured no run: {quoted(measured.line)}; allow more runs or more seconds"
        )
    return warm_up, measured


def _figures(
    measured: LoopStatistics, *, init_us: float | None, first_us: float | None, delegate: str | None
) -> LaunchFigures:
    mean, low, high, std = measured.mean_us, measured.min_us, measured.max_us, measured.std_us
    assert mean is not None and low is not None and high is not None and std is not None
    figures = LaunchFigures(
        count=measured.count,
        mean_us=mean,
        min_us=low,
        max_us=high,
        std_us=std,
        median_us=measured.median_us,
        p5_us=measured.p5_us,
        p95_us=measured.p95_us,
        init_us=init_us,
        first_us=first_us,
        delegate=delegate,
    )
    if figures.latency_us <= 0:
        raise MeasurementError(
            f"{_TOOL} measured 0 us, its clock counts whole microseconds: {quoted(measured.line)}; "
            "measure a larger model"
        )
    return figures


def _summary(printed: Sequence[str]) -> dict[str, float]:
    """The figures of the summary line by name; empty where there is none."""
    found = [
        (line, match) for line in printed if (match := _SUMMARY.fullmatch(line[:_LONGEST_LINE].rstrip()))
    ]
    if not found:
        return {}
    (line, match), *others = found
    if others:
        raise MeasurementError(
            f"{_TOOL} printed two summaries, the second is {quoted(others[0][0])}; launch once at a time"
        )
    values: dict[str, float] = {}
    for part in match[1].split(", "):
        name, _, text = part.partition(": ")
        value = decimal_number(text)
        key = _SUMMARY_NAMES.get(name)
        if key == "warmup" and text in ("nan", "-nan"):  # there was no warm-up
            continue
        if key is None or key in values or value is None:
            raise MeasurementError(
                f"{_TOOL} printed a summary that cannot be read, at {quoted(part)}: {quoted(line)}; run again"
            )
        values[key] = value
    if "mean" not in values:
        raise MeasurementError(f"{_TOOL} printed a summary without a mean: {quoted(line)}; run again")
    return values


def _check_agreement(summary: dict[str, float], warm_up: LoopStatistics, measured: LoopStatistics) -> None:
    pairs = (
        ("mean", measured.mean_us, measured.line),
        ("warmup", warm_up.mean_us, warm_up.line),
        ("first", warm_up.first_us, warm_up.line),
    )
    for name, value, line in pairs:
        if name in summary and value is not None and not close_to(summary[name], value, relative=_SIX_DIGITS):
            raise MeasurementError(
                f"{_TOOL} contradicts itself: its summary says {summary[name]:g} us, "
                f"its statistics {quoted(line)}; run again"
            )


def _check_litert_summary(printed: Sequence[str], measured: LoopStatistics, stdout: str) -> bool:
    """Whether the summary of LiteRT's own tool is there, which rounds to 0.01 ms, and agrees."""
    found = [match for line in printed if (match := _LITERT_SUMMARY.fullmatch(line[:_LONGEST_LINE]))]
    if not found:
        return False
    mean_ms, count = decimal_number(found[-1][1]), int(found[-1][2])
    is_cut = stdout.endswith(measured.line)
    if (
        len(found) > 1
        or is_cut
        or mean_ms is None
        or count != measured.count
        or not close_to(mean_ms * 1000, measured.mean_us or 0, relative=_SIX_DIGITS, absolute=5.01)
    ):
        raise MeasurementError(
            f"{_TOOL} contradicts itself: its summary says {quoted(found[-1][0])}, "
            f"its statistics {quoted(measured.line)}; run again"
        )
    return True


def _refined(figures: LaunchFigures, file: ResultFile) -> LaunchFigures:
    """The figures with what the result file knows better; both must tell of the same launch.

    Whole microseconds are exact in the text and rounded to a float in the file, so they stay.
    """
    if file.count != figures.count:
        raise MeasurementError(
            f"the result file tells of {file.count} runs, the text of {figures.count}: "
            "it is of another launch; remove it and run again"
        )
    known: dict[str, float] = {}
    for name, (relative, absolute) in _COMPARED.items():
        text_value, file_value = getattr(figures, name), getattr(file, name)
        if file_value is None:
            continue
        if text_value is None:
            known[name] = _whole(file_value)
        elif not close_to(text_value, file_value, relative=relative, absolute=absolute):
            raise MeasurementError(
                f"the result file says {name}={file_value:.3f}, the text {text_value:g}: "
                "it is of another launch; remove it and run again"
            )
    known["mean_us"] = round(file.mean_us, 3)
    return replace(figures, **known)  # type: ignore[arg-type]  # the fields' own types


def _whole(value_us: float) -> float:
    """Undo a float's rounding of a latency that was whole microseconds."""
    return float(round(value_us)) if close_to(value_us, round(value_us), relative=2e-7) else value_us
