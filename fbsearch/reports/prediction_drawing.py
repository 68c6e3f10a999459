"""Predicted against measured latencies: a scatter as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from fbsearch.files import write_text
from fbsearch.reports.chart_drawing import HEIGHT, WIDTH, equal_axes
from fbsearch.reports.formatting import format_ms
from fbsearch.reports.key_drawing import KEY_HEIGHT, draw_key, mark
from fbsearch.reports.scales import Scale
from fbsearch.reports.svg import drawing, standalone, tag


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
    values = [value for one in sets for point in one.points for value in point]
    x, y, parts = equal_axes(values, "predicted, ms (measured upwards)")
    parts += [_point(one, point, x, y) for one in sets for point in one.points]
    entries = [(f"dot {one.role}", one.name) for one in sets]
    parts.append(draw_key(entries, width=WIDTH, y=HEIGHT + 11))
    names = " and ".join(one.name for one in sets)
    label = f"Measured latency of {max(len(one.points) for one in sets)} whole networks over that predicted: "
    return drawing(WIDTH, HEIGHT + KEY_HEIGHT, *parts, label=label + names)


def _point(one: Predictions, point: tuple[float, float], x: Scale, y: Scale) -> Markup:
    predicted, measured = point
    words = f"{one.name}: predicted {format_ms(predicted)}, measured {format_ms(measured)}"
    return tag("g", tag("title", words), mark(x(predicted), y(measured), f"dot {one.role}"))
