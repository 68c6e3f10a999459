"""A histogram of shares, with a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.reports.charts.axes import WIDTH, Axes, Frame, axis_of_ticks, axis_of_values
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import bar, upright
from fbsearch.reports.charts.scales import nice_step
from fbsearch.reports.charts.svg import text
from fbsearch.reports.charts.units import COUNT, SHARE

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


def make_histogram(values: Sequence[float], *, target: float | None) -> Histogram | None:
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


def draw_histogram(histogram: Histogram) -> Markup:
    """A bar per filled bin, and the target as a line."""
    frame, bins = Frame(right=WIDTH - 12), histogram.bins
    ends = (bins[0].low, bins[-1].high)
    x = axis_of_values(SHARE, ends, frame.across, name="relative confidence interval")
    y = axis_of_ticks(COUNT, [0, max(one.count for one in bins)], frame.upwards)
    axes = Axes(frame, x, y)
    bars = [_bar(one, histogram.target, axes) for one in bins if one.count]
    target = [] if histogram.target is None else [_target(histogram.target, axes)]
    return draw_chart(axes, [*bars, *target], label=histogram.label)


def _bar(one: Bin, target: float | None, axes: Axes) -> Markup:
    """Beyond the target in the other colour."""
    is_wide = target is not None and one.low >= target * (1 - 1e-9)
    beyond = "or more" if one.is_open else f"to {SHARE.write(one.high)}"
    role = "second" if is_wide else "main"
    return bar(axes, one.low, one.high, one.count, role, f"{SHARE.write(one.low)} {beyond}: {one.count}")


def _target(target: float, axes: Axes) -> Markup:
    at = axes.x(target)
    is_right = at > 0.7 * WIDTH
    place, anchor = (at - 5, "end") if is_right else (at + 5, "start")
    words = f"target {SHARE.write_short(target)}"
    return upright(axes, target) + text(place, axes.frame.top + 9, words, "note", anchor=anchor)
