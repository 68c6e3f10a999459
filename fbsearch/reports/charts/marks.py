"""Marks that all charts share: dots, lines, bars, cells, reference lines, labels and keys.

Styles are the classes of ``chart.css``: what a mark is (``dot``, ``line`` ...) and its role, which gives the
colour. A mark with words shows them as a tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from markupsafe import Markup

from fbsearch.reports.charts.axes import HEIGHT, WIDTH, Axes
from fbsearch.reports.charts.svg import Place, line, polyline, tag, text

KEY_HEIGHT = 20
_CHARACTER, _MARK, _BETWEEN = 5.6, 12, 14
_BETWEEN_ENDS = 13
_MAX_COLUMNS = 100

_Point = TypeVar("_Point")


def titled(words: str, *parts: Markup) -> Markup:
    """Several marks with one tooltip."""
    return tag("g", tag("title", words), *parts)


def dot(place: Place, style: str, words: str = "") -> Markup:
    """A point: ``dot`` or ``ring``, ``small`` perhaps, and its role."""
    styles = style.split()
    radius = 3.0 if "small" in styles else 5.0 if "chosen" in styles else 4.0
    title = (tag("title", words),) if words else ()
    return tag("circle", *title, cx=place[0], cy=place[1], r=radius, class_=style)


def curve(places: Sequence[Place], role: str) -> Markup:
    """A line through places; through a single one, a small dot."""
    return polyline(places, f"line {role}") if len(places) > 1 else dot(places[0], f"dot small {role}")


def steps(places: Sequence[Place], *, until: float) -> list[Place]:
    """Corners of a staircase: each place's height holds up to the next place, the last one's to ``until``."""
    corners = [places[0]]
    for (_, before), (x, y) in pairwise(places):
        corners += [(x, before), (x, y)]
    return [*corners, (until, places[-1][1])]


def bar(axes: Axes, low: float, high: float, value: float, role: str, words: str) -> Markup:
    """A bar from zero to ``value``, a little narrower than from ``low`` to ``high``."""
    left, right, top = axes.x(low) + 0.5, axes.x(high) - 0.5, axes.y(value)
    return tag(
        "rect", tag("title", words), x=left, y=top, width=right - left, height=axes.y(0) - top,
        class_=f"bar {role}",
    )  # fmt: skip


def cell(box: tuple[float, float, float, float], style: str, strength: float, *, is_chosen: bool) -> Markup:
    """A field of a grid.

    Args:
        box: its left and top edge, width and height.
        style: of its colour.
        strength: of the colour, from 0 to 1.
        is_chosen: whether it has an outline.
    """
    x, y, width, height = box
    field = tag(
        "rect", x=x, y=y, width=width, height=height, rx=3, class_=f"cell {style}",
        fill_opacity=f"{strength:.3f}",
    )  # fmt: skip
    outline = tag("rect", x=x, y=y, width=width, height=height, rx=3, class_="outline")
    return field + outline if is_chosen else field


def level(axes: Axes, value: float) -> Markup:
    """A dashed line across the frame at a value to compare with."""
    return line(axes.frame.left, axes.y(value), axes.frame.right, axes.y(value), "reference")


def upright(axes: Axes, value: float) -> Markup:
    """A dashed line from the frame's top to its bottom."""
    return line(axes.x(value), axes.frame.top, axes.x(value), axes.frame.bottom, "reference")


def diagonal(axes: Axes) -> Markup:
    """The dashed line on which both values are equal; both axes have the same ticks."""
    ends = axes.x.ticks[0], axes.x.ticks[-1]
    return line(*axes.at(ends[0], ends[0]), *axes.at(ends[1], ends[1]), "reference")


def shade(axes: Axes, until: float, name: str) -> Markup:
    """What lies before a value is another phase."""
    frame = axes.frame
    field = tag(
        "rect", x=frame.left, y=frame.top, width=axes.x(until) - frame.left, height=frame.bottom - frame.top,
        class_="shade",
    )  # fmt: skip
    return field + text(frame.left + 4, frame.bottom - 5, name, "note")


def columns(axes: Axes, readings: Sequence[tuple[float, str]]) -> Markup:
    """Columns from top to bottom that are seen only under the pointer, and tell what lines are there.

    Args:
        axes: of the chart.
        readings: values along the horizontal axis in order, and words of each; of very many, only some.
    """
    kept = thin(readings, limit=_MAX_COLUMNS)
    places = [axes.x(value) for value, _ in kept]
    edges = [axes.frame.left, *((a + b) / 2 for a, b in pairwise(places)), axes.frame.right]
    height = axes.frame.bottom - axes.frame.top
    rects = [
        tag("rect", tag("title", words), x=left, y=axes.frame.top, width=right - left, height=height)
        for (_, words), (left, right) in zip(kept, pairwise(edges), strict=True)
    ]
    return tag("g", *rects, class_="columns")


def thin(points: Sequence[_Point], limit: int) -> list[_Point]:
    """At most about ``limit`` of the points, the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    step = -(-len(points) // limit)
    return [*points[:-1:step], points[-1]]


def end_labels(axes: Axes, ends: Sequence[tuple[Place, str, str]]) -> Markup:
    """The values in which lines end, moved apart where they would touch.

    Args:
        axes: of the chart.
        ends: of each line its end's place, the words, and its role.
    """
    ordered = sorted(ends, key=lambda end: end[0][1])
    heights: list[float] = []
    for (_, y), _, _ in ordered:
        heights.append(max(y, heights[-1] + _BETWEEN_ENDS) if heights else y)
    overshoot = max(heights[-1] - axes.frame.bottom, 0)
    return Markup("").join(
        text(x + 6, height - overshoot + 4, words, f"end {role}")
        for height, ((x, _), words, role) in zip(heights, ordered, strict=True)
    )


def key(entries: Sequence[tuple[str, str]]) -> Markup:
    """Below a chart, in one row, what its marks mean: style of each, and name."""
    lengths = [_MARK + _CHARACTER * len(name) for _, name in entries]
    at, y = (WIDTH - sum(lengths) - _BETWEEN * (len(entries) - 1)) / 2, HEIGHT + 11
    parts = []
    for (style, name), length in zip(entries, lengths, strict=True):
        parts.append(dot((at + 4, y), style))
        parts.append(text(at + _MARK, y + 4, name, "note"))
        at += length + _BETWEEN
    return Markup("").join(parts)
