"""Predicted against measured latencies: a scatter around the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from fbsearch.files import write_text
from fbsearch.reports.charts.axes import WIDTH, Axes, Frame, axis_of_ticks
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import diagonal, dot
from fbsearch.reports.charts.standalone import standalone
from fbsearch.reports.charts.units import LATENCY
from fbsearch.reports.formatting import format_ms


@dataclass(frozen=True)
class Predictions:
    """One set of points.

    Args:
        name: what predicted.
        role: ``main`` or ``second``.
        points: (predicted, measured) in microseconds.
    """

    name: str
    role: str
    points: tuple[tuple[float, float], ...]


def write_predictions(path: Path, sets: Sequence[Predictions]) -> None:
    """Write the scatter to ``path`` as SVG."""
    write_text(path, standalone(draw_predictions(sets)))


def draw_predictions(sets: Sequence[Predictions]) -> Markup:
    """Measured over predicted latency, and where both would be equal.

    Args:
        sets: the last is drawn on top.
    """
    axes = equal_axes([point for one in sets for point in one.points], "predicted, ms (measured upwards)")
    dots = [_dot(one, point, axes) for one in sets for point in one.points]
    names = " and ".join(one.name for one in sets)
    label = f"Measured latency of {max(len(one.points) for one in sets)} whole networks over that predicted: "
    entries = [(f"dot {one.role}", one.name) for one in sets]
    return draw_chart(axes, [diagonal(axes), *dots], label=label + names, key_entries=entries)


def equal_axes(points: Sequence[tuple[float, float]], name: str) -> Axes:
    """Two axes of latencies with the same ticks, so that equal ones lie on the diagonal.

    Args:
        points: what they must hold, in microseconds.
        name: of the horizontal axis.
    """
    frame = Frame(right=WIDTH - 8, inset=(8, 16, 4, 4))
    values = [value for point in points for value in point]
    x = axis_of_ticks(LATENCY, values, frame.across, name=name)
    return Axes(frame, x, axis_of_ticks(LATENCY, values, frame.upwards))


def _dot(one: Predictions, point: tuple[float, float], axes: Axes) -> Markup:
    predicted, measured = point
    words = f"{one.name}: predicted {format_ms(predicted)}, measured {format_ms(measured)}"
    return dot(axes.at(predicted, measured), f"dot {one.role}", words)
