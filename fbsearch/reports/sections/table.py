"""How good the latency table is: confidence intervals, discarded windows, warnings, slowest operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fbsearch.latency import LatencyTable
from fbsearch.latency.entries.header import SentinelRecord
from fbsearch.records import SearchRecord
from fbsearch.reports.charts import (
    CalibrationChart,
    LineChart,
    Reference,
    Series,
    describe_errors,
    draw_calibration,
    draw_histogram,
    make_calibration_chart,
    make_histogram,
)
from fbsearch.reports.charts.units import LATENCY
from fbsearch.reports.formatting import format_percent, ms_decimals
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.sections.figure import Figure, line_figure

NUM_SLOWEST = 8


@dataclass(frozen=True)
class SlowOperator:
    """One of the slowest entries."""

    key: str
    latency_us: float
    p95_us: float
    relative_ci: float


@dataclass(frozen=True)
class TableSection:
    """What the template shows: the table in numbers and figures.

    Args:
        device: whose table it is; empty where there is but one.
        table: itself.
        num_converged: of its entries.
        num_invocations: timed ones.
        median_ci, worst_ci: of the entries' relative confidence intervals.
        figures: intervals, whole networks, the sentinel; those for which there are numbers.
        errors: of sums and calibrated values, in a sentence; empty without whole networks.
        estimates: what the search estimated by it, and how well, in a sentence; empty where it holds all.
        slowest: entries.
        decimals: of their milliseconds.
    """

    device: str
    table: LatencyTable
    num_converged: int
    num_invocations: int
    median_ci: float
    worst_ci: float
    figures: tuple[Figure, ...]
    errors: str
    estimates: str
    slowest: tuple[SlowOperator, ...]
    decimals: int


def table_sections(run: RunFolder) -> tuple[TableSection, ...]:
    """A section for each device that has a table."""
    return tuple(
        _section(target.table, label, describe_estimates(run.search, number))
        for number, (target, label) in enumerate(zip(run.targets, run.labels, strict=True))
        if target.table is not None
    )


def describe_estimates(search: SearchRecord | None, number: int) -> str:
    """How well what a table lacked was estimated, and how much of the chosen architecture's latency is.

    Args:
        search: the result; None before there is one.
        number: of the target, from 0.
    """
    if search is None or number >= len(search.targets):
        return ""
    known, chosen = search.targets[number].estimation, search.winner.latencies[number]
    if known is None or chosen.estimated_share is None:
        return ""
    share = format_percent(chosen.estimated_share, decimals=0 if chosen.estimated_share == 0 else 1)
    error = format_percent(chosen.estimated_error or 0.0, decimals=1)
    doubt = "" if chosen.estimated_share == 0 else f" (error ±{error})"
    return (
        f"Operators that the table lacked were estimated while the search went on: {known.summary}. "
        f"Of the predicted latency of the architecture that it chose {share} is estimated{doubt}."
    )


def _section(table: LatencyTable, device: str, estimates: str) -> TableSection:
    entries = list(table.entries.values())
    intervals = sorted(entry.relative_ci for entry in entries)
    slowest, networks = _slowest(table), make_calibration_chart(table)
    return TableSection(
        device=device,
        table=table,
        num_converged=sum(entry.is_converged for entry in entries),
        num_invocations=sum(len(values) for entry in entries for values in entry.rounds_us),
        median_ci=intervals[len(intervals) // 2] if intervals else math.nan,
        worst_ci=intervals[-1] if intervals else math.nan,
        figures=_figures(table, intervals, networks),
        errors=describe_errors(networks) if networks else "",
        estimates=estimates,
        slowest=slowest,
        decimals=ms_decimals(one.latency_us for one in slowest),
    )


def _slowest(table: LatencyTable) -> tuple[SlowOperator, ...]:
    entries = sorted(table.entries.items(), key=lambda item: -item[1].latency_us)[:NUM_SLOWEST]
    return tuple(
        SlowOperator(str(key), entry.latency_us, entry.p95_us, entry.relative_ci) for key, entry in entries
    )


def _figures(
    table: LatencyTable, intervals: Sequence[float], networks: CalibrationChart | None
) -> tuple[Figure, ...]:
    histogram = make_histogram(intervals, target=table.protocol.target_relative_ci)
    figures = []
    if histogram:
        words = "half width, as a share of the latency"
        figures.append(
            Figure("Operators by confidence interval", draw_histogram(histogram), (("plain", words),))
        )
    if networks:
        keys = (("main", "fitted line"), ("equal", "equal to the sum"))
        figures.append(Figure("Whole networks, measured, ms", draw_calibration(networks), keys))
    sentinel = line_figure(sentinel_chart(table.sentinel), remark="a model timed again and again")
    return (*figures, sentinel)


def sentinel_chart(sentinel: SentinelRecord) -> LineChart:
    """The sentinel's readings, one after the other."""
    points = tuple((float(i), reading) for i, reading in enumerate(sentinel.readings_us, start=1))
    return LineChart(
        "Sentinel’s readings", LATENCY, (Series("sentinel", "main", points),),
        Reference("baseline", sentinel.baseline_us), from_zero=True, x_name="reading",
    )  # fmt: skip
