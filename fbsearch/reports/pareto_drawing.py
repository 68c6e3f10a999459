"""Accuracy against latency as SVG: measured and predicted, the budgets, the front and what it dominates."""

from __future__ import annotations

from markupsafe import Markup

from fbsearch.reports.chart_drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    accuracy_ticks,
    horizontal_grid,
    latency_axis,
    latency_ticks,
    tick_writer,
)
from fbsearch.reports.formatting import format_accuracy, format_ms
from fbsearch.reports.key_drawing import KEY_HEIGHT, draw_key, mark
from fbsearch.reports.pareto import ParetoPlot, ParetoPoint
from fbsearch.reports.scales import Scale
from fbsearch.reports.svg import drawing, line, polyline, tag, text

_LABEL_ROOM = 42
_TOP = TOP + 8  # room for the budgets' names


def draw_pareto(plot: ParetoPlot) -> Markup:
    """Accuracy over latency: filled points are measured, rings predicted, the steps are the front."""
    values = [point.predicted_us for point in plot.points] + [point.latency_us for point in plot.points]
    spanned = (*values, *plot.budgets_us)
    x_ticks = latency_ticks(min(spanned), max(spanned))
    accuracies = [point.accuracy for point in plot.points]
    y_ticks = accuracy_ticks(min(accuracies), max(accuracies))
    x = Scale(x_ticks[0], x_ticks[-1], LEFT + 8, WIDTH - 24)
    y = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM - 8, _TOP + 10)
    parts = [horizontal_grid(y_ticks, y, tick_writer("accuracy", y_ticks), right=WIDTH - 8)]
    parts += latency_axis(x_ticks, x, "latency, ms")
    parts += _budgets(plot, x)
    parts.append(_front(plot, x, y))
    ordered = sorted(plot.points, key=lambda point: (point.is_chosen, not point.is_dominated))
    parts += [_point(point, x, y) for point in ordered]
    parts.append(draw_key(_key(plot), width=WIDTH, y=HEIGHT + 11))
    return drawing(WIDTH, HEIGHT + KEY_HEIGHT, *parts, label=plot.label)


def _budgets(plot: ParetoPlot, x: Scale) -> list[Markup]:
    """Dashed lines; names that would touch the one before are left to the tooltips."""
    parts: list[Markup] = []
    named_at = -float("inf")
    for budget_us in sorted(plot.budgets_us):
        at, name = x(budget_us), format_ms(budget_us)
        title = tag("title", f"budget {name}")
        parts.append(tag("g", title, line(at, _TOP, at, HEIGHT - BOTTOM, "reference")))
        if at - named_at >= _LABEL_ROOM:
            word = f"budget {name}" if len(plot.budgets_us) == 1 else name
            place = min(max(at, LEFT + _LABEL_ROOM), WIDTH - _LABEL_ROOM)
            parts.append(text(place, _TOP - 6, word, "note", anchor="middle"))
            named_at = at
    return parts


def _front(plot: ParetoPlot, x: Scale, y: Scale) -> Markup:
    """Steps: the best accuracy at each latency."""
    corners: list[tuple[float, float]] = []
    for point in plot.front:
        if corners:
            corners.append((x(point.latency_us), corners[-1][1]))
        corners.append((x(point.latency_us), y(point.accuracy)))
    corners.append((WIDTH - 8.0, corners[-1][1]))
    return polyline(corners, "line front")


def _point(point: ParetoPoint, x: Scale, y: Scale) -> Markup:
    role, height = _role(point), y(point.accuracy)
    words = f"{point.name}: {format_accuracy(point.accuracy)}, predicted {format_ms(point.predicted_us)}"
    parts: list[Markup] = []
    if point.measured_us is None:
        parts.append(mark(x(point.predicted_us), height, f"ring {role}"))
    else:
        words += f", measured {format_ms(point.measured_us)}"
        parts.append(line(x(point.predicted_us), height, x(point.measured_us), height, f"link {role}"))
        parts.append(mark(x(point.predicted_us), height, f"ring small {role}"))
        parts.append(mark(x(point.measured_us), height, f"dot {role}"))
    if point.is_dominated:
        words += ", dominated"
    return tag("g", tag("title", words), *parts)


def _role(point: ParetoPoint) -> str:
    if point.is_chosen:
        return "chosen"
    return "dominated" if point.is_dominated else "front"


def _key(plot: ParetoPlot) -> list[tuple[str, str]]:
    """What the marks mean; only those that there are."""
    is_measured = [point.measured_us is not None for point in plot.points]
    shape = "dot" if any(is_measured) else "ring"
    roles = {_role(point) for point in plot.points}
    names = {"chosen": "chosen", "front": "on the front", "dominated": "dominated"}
    entries = [(f"{shape} {role}", name) for role, name in names.items() if role in roles]
    if any(is_measured):
        entries.append(("ring small front" if all(is_measured) else "ring front", "predicted"))
    return entries
