"""A population of structures that were scored: score over what one of their budgets counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.reports.charts.axes import WIDTH, Axes, Frame, axis_of_ticks
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import curve, dot, steps, titled, upright
from fbsearch.reports.charts.units import LATENCY, NUMBER, Unit

_FRAME = Frame(right=WIDTH - 8, inset=(8, 16, 10, 8))


@dataclass(frozen=True)
class PopulationPoint:
    """A structure.

    Args:
        cost: in the unit of the chart's axis.
        score: the higher the better.
        role: ``chosen``, ``front`` or ``dominated``.
    """

    cost: float
    score: float
    role: str


@dataclass(frozen=True)
class Population:
    """Structures, and the budget that they keep.

    Args:
        points: the structures, at least one.
        score: what the score is called.
        cost: what the axis below counts, in words.
        is_latency: whether that is in microseconds.
        bound: the budget; None for none.
    """

    points: tuple[PopulationPoint, ...]
    score: str
    cost: str
    is_latency: bool
    bound: float | None

    @property
    def unit(self) -> Unit:
        """Of the axis below."""
        return LATENCY if self.is_latency else NUMBER


def draw_population(plot: Population) -> Markup:
    """Score over cost; the steps join what nothing else beats, where a front was searched for."""
    bounds = [] if plot.bound is None else [plot.bound]
    costs = [point.cost for point in plot.points]
    x = axis_of_ticks(plot.unit, [*costs, *bounds], _FRAME.across, name=plot.cost)
    axes = Axes(_FRAME, x, axis_of_ticks(NUMBER, [one.score for one in plot.points], _FRAME.upwards))
    ordered = sorted(plot.points, key=lambda point: ("dominated", "front", "chosen").index(point.role))
    marks = [
        *(titled(f"budget {plot.unit.write(bound)}", upright(axes, bound)) for bound in bounds),
        *_front(plot.points, axes),
        *(_dot(point, plot, axes) for point in ordered),
    ]
    names = {"chosen": "chosen", "front": "on the front", "dominated": "population"}
    roles = [role for role in names if any(point.role == role for point in plot.points)]
    label = f"{plot.score} over {plot.cost} of {len(plot.points)} structures"
    return draw_chart(axes, marks, label=label, key_entries=[(f"dot {role}", names[role]) for role in roles])


def _front(points: Sequence[PopulationPoint], axes: Axes) -> list[Markup]:
    front = sorted((point.cost, point.score) for point in points if point.role == "front")
    if len(front) < 2:
        return []
    return [curve(steps([axes.at(*one) for one in front], until=_FRAME.right), "front")]


def _dot(point: PopulationPoint, plot: Population, axes: Axes) -> Markup:
    words = f"{plot.score} {point.score:.4g} at {plot.unit.write(point.cost)}"
    return dot(axes.at(point.cost, point.score), f"dot {point.role}", words)
