"""Accuracy against latency: which architectures no other one beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.reports.charts.axes import WIDTH, Axes, Frame, axis_of_ticks
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import curve, dot, steps, titled, upright
from fbsearch.reports.charts.svg import line, text
from fbsearch.reports.charts.units import ACCURACY, LATENCY, Unit
from fbsearch.reports.formatting import format_ms

_LABEL_ROOM = 42
_FRAME = Frame(right=WIDTH - 8, top=20, inset=(8, 16, 10, 8))  # above it stand the budgets' names


@dataclass(frozen=True)
class ParetoPoint:
    """One architecture.

    Args:
        name: in words.
        accuracy: a share, or a score.
        predicted_us: by the table.
        measured_us: as a whole network, or None where that was not done.
        is_chosen: whether it is taken.
        is_dominated: whether another is no slower and no less accurate, and better in one of them.
    """

    name: str
    accuracy: float
    predicted_us: float
    measured_us: float | None
    is_chosen: bool
    is_dominated: bool

    @property
    def latency_us(self) -> float:
        """As measured, or else as predicted."""
        return self.predicted_us if self.measured_us is None else self.measured_us


@dataclass(frozen=True)
class ParetoPlot:
    """Architectures, and the budgets that they were chosen for.

    Args:
        points: the architectures.
        budgets_us: that they were chosen for.
        unit: of what is called their accuracy; another one where it is a score.
    """

    points: tuple[ParetoPoint, ...]
    budgets_us: tuple[float, ...]
    unit: Unit = ACCURACY

    @property
    def quantity(self) -> str:
        """What stands over latency."""
        return "Accuracy" if self.unit is ACCURACY else "Score"

    @property
    def front(self) -> tuple[ParetoPoint, ...]:
        """Those that no other one beats, by latency."""
        kept = (point for point in self.points if not point.is_dominated)
        return tuple(sorted(kept, key=lambda point: (point.latency_us, point.accuracy)))

    @property
    def label(self) -> str:
        """The plot in words."""
        return (
            f"{self.quantity} over latency of {len(self.points)} architectures, "
            f"{sum(point.is_dominated for point in self.points)} of them dominated"
        )


def find_dominated(latencies_us: Sequence[float], accuracies: Sequence[float]) -> tuple[bool, ...]:
    """For each architecture, whether another is no slower and no less accurate, and better in one of them.

    >>> find_dominated([5.0, 6.0, 7.0, 7.0], [0.90, 0.88, 0.95, 0.95])
    (False, True, False, False)
    """
    pairs = list(zip(latencies_us, accuracies, strict=True))
    return tuple(
        any(
            other_us <= latency_us and other >= accuracy and (other_us, other) != (latency_us, accuracy)
            for other_us, other in pairs
        )
        for latency_us, accuracy in pairs
    )


def draw_pareto(plot: ParetoPlot) -> Markup:
    """Accuracy over latency: filled points are measured, rings predicted, the steps are the front."""
    axes = _axes(plot)
    front = steps([axes.at(one.latency_us, one.accuracy) for one in plot.front], until=_FRAME.right)
    ordered = sorted(plot.points, key=lambda point: (point.is_chosen, not point.is_dominated))
    marks = [
        *_budgets(plot, axes),
        curve(front, "front"),
        *(_point(point, axes, plot.unit) for point in ordered),
    ]
    return draw_chart(axes, marks, label=plot.label, key_entries=_key(plot))


def _axes(plot: ParetoPlot) -> Axes:
    latencies = [value for point in plot.points for value in (point.predicted_us, point.latency_us)]
    x = axis_of_ticks(LATENCY, [*latencies, *plot.budgets_us], _FRAME.across, name="latency, ms")
    return Axes(_FRAME, x, axis_of_ticks(plot.unit, [one.accuracy for one in plot.points], _FRAME.upwards))


def _budgets(plot: ParetoPlot, axes: Axes) -> list[Markup]:
    """Dashed lines; names that would touch the one before are left to the tooltips."""
    parts: list[Markup] = []
    named_at = -float("inf")
    for budget_us in sorted(plot.budgets_us):
        at, name = axes.x(budget_us), format_ms(budget_us)
        parts.append(titled(f"budget {name}", upright(axes, budget_us)))
        if at - named_at >= _LABEL_ROOM:
            word = f"budget {name}" if len(plot.budgets_us) == 1 else name
            place = min(max(at, _FRAME.left + _LABEL_ROOM), WIDTH - _LABEL_ROOM)
            parts.append(text(place, _FRAME.top - 6, word, "note", anchor="middle"))
            named_at = at
    return parts


def _point(point: ParetoPoint, axes: Axes, unit: Unit) -> Markup:
    role, predicted = _role(point), axes.at(point.predicted_us, point.accuracy)
    words = f"{point.name}: {unit.write(point.accuracy)}, predicted {format_ms(point.predicted_us)}"
    if point.measured_us is None:
        parts = [dot(predicted, f"ring {role}")]
    else:
        words += f", measured {format_ms(point.measured_us)}"
        measured = axes.at(point.measured_us, point.accuracy)
        link = line(*predicted, *measured, f"link {role}")
        parts = [link, dot(predicted, f"ring small {role}"), dot(measured, f"dot {role}")]
    return titled(words + (", dominated" if point.is_dominated else ""), *parts)


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
