"""A drawing with its caption."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.reports.charts import LineChart, draw_lines


@dataclass(frozen=True)
class Figure:
    """What the template's ``figure`` shows.

    Args:
        caption: above the drawing.
        drawing: as SVG.
        keys: beside the caption, style and name of what needs an explanation; ``plain`` has no mark.
    """

    caption: str
    drawing: Markup
    keys: tuple[tuple[str, str], ...] = ()


def line_figure(chart: LineChart, *, remark: str = "") -> Figure:
    """A line chart whose caption names the unit and, of several lines, each; a remark may stand beside it."""
    caption = f"{chart.title}, {chart.unit.symbol}" if chart.unit.symbol else chart.title
    names = tuple((line.role, line.name) for line in chart.series) if len(chart.series) > 1 else ()
    return Figure(caption, draw_lines(chart), (*names, ("plain", remark)) if remark else names)
