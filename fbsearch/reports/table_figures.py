"""How good a latency table is: confidence intervals, discarded windows, warnings, slowest operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fbsearch.latency import LatencyTable
from fbsearch.latency.header import SentinelRecord
from fbsearch.reports.curves import LineChart, Reference, Series
from fbsearch.reports.scales import nice_step

NUM_SLOWEST = 8
NUM_BINS = 16


@dataclass(frozen=True)
class Bin:
    """Values in [low, high); the last bin also takes all beyond where ``is_open``."""

    low: float
    high: float
    count: int
    is_open: bool = False


@dataclass(frozen=True)
class Histogram:
    """Counts over a share, with a line at the protocol's target."""

    bins: tuple[Bin, ...]
    target: float | None
    label: str


@dataclass(frozen=True)
class SlowOperator:
    """One of the slowest entries."""

    key: str
    latency_us: float
    p95_us: float
    relative_ci: float


@dataclass(frozen=True)
class TableFigures:
    """The table in numbers."""

    num_entries: int
    num_converged: int
    num_discarded: int
    num_windows: int
    num_discarded_windows: int
    num_invocations: int
    median_ci: float
    worst_ci: float
    histogram: Histogram | None
    sentinel: LineChart
    slowest: tuple[SlowOperator, ...]
    warnings: tuple[str, ...]


def make_table_figures(table: LatencyTable) -> TableFigures:
    """The table's figures; the target comes from its protocol."""
    entries = list(table.entries.items())
    intervals = sorted(entry.relative_ci for _, entry in entries)
    slowest = sorted(entries, key=lambda item: -item[1].latency_us)[:NUM_SLOWEST]
    return TableFigures(
        num_entries=len(entries),
        num_converged=sum(entry.is_converged for _, entry in entries),
        num_discarded=sum(entry.num_discarded for _, entry in entries),
        num_windows=table.sentinel.num_windows,
        num_discarded_windows=table.sentinel.num_discarded_windows,
        num_invocations=sum(len(values) for _, entry in entries for values in entry.rounds_us),
        median_ci=intervals[len(intervals) // 2] if intervals else math.nan,
        worst_ci=intervals[-1] if intervals else math.nan,
        histogram=histogram(intervals, target=table.protocol.target_relative_ci),
        sentinel=_sentinel_chart(table.sentinel),
        slowest=tuple(
            SlowOperator(str(key), entry.latency_us, entry.p95_us, entry.relative_ci)
            for key, entry in slowest
        ),
        warnings=tuple(table.warnings),
    )


def _sentinel_chart(sentinel: SentinelRecord) -> LineChart:
    points = tuple((float(i), reading) for i, reading in enumerate(sentinel.readings_us, start=1))
    return LineChart(
        "Sentinel’s readings",
        "latency",
        (Series("sentinel", "main", points),),
        Reference("baseline", sentinel.baseline_us),
        from_zero=True,
        x_name="reading",
    )


def histogram(values: Sequence[float], *, target: float | None) -> Histogram | None:
    """Bins of a round width from zero; beyond three times the 90th percentile all share the last.

    Returns:
        None without a value.
    """
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return None
    typical = finite[min(len(finite) - 1, int(0.9 * len(finite)))]
    top = max(min(finite[-1], 3 * max(typical, target or 0.0)), target or 0.0, 1e-6)
    width = nice_step(top / NUM_BINS)
    num_bins = math.floor(top / width) + 1
    counts = [0] * num_bins
    for value in finite:
        counts[min(int(value / width), num_bins - 1)] += 1
    is_open = finite[-1] >= num_bins * width
    bins = tuple(
        Bin(i * width, (i + 1) * width, count, is_open and i == num_bins - 1)
        for i, count in enumerate(counts)
    )
    return Histogram(bins, target, _histogram_label(finite, target))


def _histogram_label(values: Sequence[float], target: float | None) -> str:
    middle = values[len(values) // 2]
    words = f"Relative confidence intervals of {len(values)} entries: "
    words += f"median {middle:.1%}, widest {values[-1]:.1%}"
    return f"{words}, target {target:.1%}" if target is not None else words
