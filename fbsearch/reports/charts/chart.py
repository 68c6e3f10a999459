"""A whole chart out of its axes, marks and key."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fbsearch.reports.charts.axes import HEIGHT, WIDTH, Axes
from fbsearch.reports.charts.marks import KEY_HEIGHT, key
from fbsearch.reports.charts.svg import drawing


def draw_chart(
    axes: Axes,
    marks: Sequence[Markup],
    *,
    label: str,
    behind: Sequence[Markup] = (),
    key_entries: Sequence[tuple[str, str]] = (),
) -> Markup:
    """The chart as SVG.

    Args:
        axes: drawn below the marks.
        marks: the last lies on top.
        label: the chart in words, for those who cannot see it.
        behind: marks that lie even below the grid.
        key_entries: style and name of the marks that need an explanation.
    """
    parts = [*behind, axes.draw(), *marks]
    if not key_entries:
        return drawing(WIDTH, HEIGHT, *parts, label=label)
    return drawing(WIDTH, HEIGHT + KEY_HEIGHT, *parts, key(key_entries), label=label)
