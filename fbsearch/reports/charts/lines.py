"""Line charts: curves over epochs or readings, each with its last value at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from fbsearch.reports.charts.axes import Axes, Frame, axis_of_ticks, axis_of_values
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import columns, curve, end_labels, level, shade, thin
from fbsearch.reports.charts.svg import text
from fbsearch.reports.charts.units import ORDINAL, Unit

Role = Literal["main", "second"]

MAX_POINTS = 400
"""Of a line: more would be finer than a pixel."""


@dataclass(frozen=True)
class Series:
    """One line: its points as (epoch, value), in order."""

    name: str
    role: Role
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Reference:
    """A horizontal line to compare with."""

    name: str
    value: float


@dataclass(frozen=True)
class LineChart:
    """What a line chart shows.

    Args:
        title: of the figure.
        unit: of the values.
        series: at least one line.
        reference: a line to compare with.
        from_zero: whether the scale starts at zero.
        warm_up: the last epoch of a first phase in which only weights learn.
        x_name: what the lines run over.
    """

    title: str
    unit: Unit
    series: tuple[Series, ...]
    reference: Reference | None = None
    from_zero: bool = False
    warm_up: int | None = None
    x_name: str = "epoch"

    @property
    def label(self) -> str:
        """The chart in words."""
        write = self.unit.write
        parts = [
            f"{line.name} from {write(line.points[0][1])} to {write(line.points[-1][1])}"
            for line in self.series
        ]
        if self.reference:
            parts.append(f"{self.reference.name} {write(self.reference.value)}")
        return f"{self.title} by {self.x_name}: {'; '.join(parts)}"

    def readings(self) -> list[tuple[float, str]]:
        """The values of all lines in words, epoch by epoch."""
        found: dict[float, list[str]] = {}
        for line in self.series:
            for epoch, value in line.points:
                found.setdefault(epoch, []).append(f"{line.name} {self.unit.write(value)}")
        return [(epoch, f"{self.x_name} {epoch:g}: {', '.join(found[epoch])}") for epoch in sorted(found)]


def draw_lines(chart: LineChart) -> Markup:
    """A line chart; every line ends in its last value."""
    axes = _axes(chart)
    marks = [*_reference(chart, axes)]
    ends = []
    for series in chart.series:
        places = [axes.at(*point) for point in thin(series.points, MAX_POINTS)]
        marks.append(curve(places, series.role))
        ends.append((places[-1], chart.unit.write_short(series.points[-1][1]), series.role))
    marks += [end_labels(axes, ends), columns(axes, chart.readings())]
    return draw_chart(axes, marks, label=chart.label, behind=[*_warm_up(chart, axes)])


def _axes(chart: LineChart) -> Axes:
    frame = Frame()
    epochs = [epoch for series in chart.series for epoch, _ in series.points]
    values = [value for series in chart.series for _, value in series.points]
    if chart.reference:
        values.append(chart.reference.value)
    if chart.from_zero and min(values) >= 0:
        values.append(0.0)
    ends = (min(epochs), max(*epochs, min(epochs) + 1))
    x = axis_of_values(ORDINAL, ends, frame.across, name=chart.x_name)
    return Axes(frame, x, axis_of_ticks(chart.unit, values, frame.upwards))


def _reference(chart: LineChart, axes: Axes) -> Iterator[Markup]:
    """A dashed line, named on the side where the lines do not begin."""
    if chart.reference is None:
        return
    value, points = chart.reference.value, chart.series[0].points
    start = points[: max(1, len(points) // 3)]
    is_below = sum(value for _, value in start) / len(start) >= value
    words = f"{chart.reference.name} {chart.unit.write_short(value)}"
    yield level(axes, value)
    yield text(axes.frame.left + 4, axes.y(value) + (13 if is_below else -5), words, "note")


def _warm_up(chart: LineChart, axes: Axes) -> Iterator[Markup]:
    if chart.warm_up is not None and axes.x.scale.low <= chart.warm_up < axes.x.scale.high:
        yield shade(axes, chart.warm_up + 0.5, "warm-up")
