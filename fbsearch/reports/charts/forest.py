"""Estimates with their intervals, one below the other: a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from fbsearch.files import write_text
from fbsearch.reports.charts.axes import HEIGHT, WIDTH, Axis, axis_of_ticks
from fbsearch.reports.charts.marks import KEY_HEIGHT, dot, key, titled
from fbsearch.reports.charts.standalone import standalone
from fbsearch.reports.charts.svg import drawing, line, tag, text
from fbsearch.reports.charts.units import NUMBER

_WIDTH = 640.0
_LEFT, _RIGHT = 226.0, _WIDTH - 136.0
"""Names stand left of these, figures right."""

_TOP, _ROW = 10.0, 19.0
_AXIS_HEIGHT = 38.0


@dataclass(frozen=True)
class ForestRow:
    """One estimate.

    Args:
        name: of what it is an estimate.
        role: ``front``, ``dominated`` or ``chosen``: the colour, of those that belong together.
        value: the estimate.
        interval: where it might as well lie.
    """

    name: str
    role: str
    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Forest:
    """The chart.

    Args:
        rows: from top to bottom, at least one.
        quantity: what is estimated, below the axis.
        reference: a value to compare with, such as the best baseline's; None for none.
        kinds: role and name of the rows that belong together.
    """

    rows: tuple[ForestRow, ...]
    quantity: str
    reference: float | None
    kinds: tuple[tuple[str, str], ...]


def write_forest(path: Path, forest: Forest) -> None:
    """Write the chart to ``path`` as SVG."""
    write_text(path, standalone(draw_forest(forest)))


def draw_forest(forest: Forest) -> Markup:
    """A row an estimate: its name, a dot on its interval, and the figures."""
    bottom = _TOP + _ROW * len(forest.rows)
    values = [value for row in forest.rows for value in (row.value, *row.interval)]
    x = axis_of_ticks(NUMBER, [0.0, *values], (_LEFT + 6, _RIGHT - 6), name=forest.quantity)
    reference = [] if forest.reference is None else [_upright(x(forest.reference), bottom, "reference")]
    rows = [_row(row, x, _TOP + _ROW * (index + 0.5)) for index, row in enumerate(forest.rows)]
    parts = [_axis(x, bottom), *reference, *rows, _key(forest.kinds, bottom)]
    height = bottom + _AXIS_HEIGHT + KEY_HEIGHT
    return drawing(_WIDTH, height, *parts, label=_label(forest))


def _axis(x: Axis, bottom: float) -> Markup:
    parts: list[Markup] = []
    for at, words in x.labels():
        parts += [_upright(at, bottom, "grid"), text(at, bottom + 15, words, "tick", anchor="middle")]
    name = text((_LEFT + _RIGHT) / 2, bottom + 33, x.name, "axis", anchor="middle")
    return Markup("").join([*parts, name])


def _upright(at: float, bottom: float, style: str) -> Markup:
    return line(at, _TOP, at, bottom, style)


def _row(row: ForestRow, x: Axis, y: float) -> Markup:
    low, high = row.interval
    figures = f"{_written(row.value)} ({_written(low)} to {_written(high)})"
    return titled(
        f"{row.name}: {figures}",
        text(_LEFT - 8, y + 4, row.name, "value", anchor="end"),
        line(x(low), y, x(high), y, f"link {row.role}"),
        dot((x(row.value), y), f"dot small {row.role}"),
        text(_RIGHT + 8, y + 4, figures, "note"),
    )


def _key(kinds: Sequence[tuple[str, str]], bottom: float) -> Markup:
    """The key of other charts, moved below this one."""
    entries = [(f"dot small {role}", name) for role, name in kinds]
    shift = f"translate({(_LEFT + _RIGHT - WIDTH) / 2:.1f} {bottom + _AXIS_HEIGHT - HEIGHT:.1f})"
    return tag("g", key(entries), transform=shift)


def _label(forest: Forest) -> str:
    rows = ", ".join(f"{row.name} {_written(row.value)}" for row in forest.rows)
    return f"{forest.quantity}: {rows}"


def _written(value: float) -> str:
    return NUMBER.tick_writer((0.01,))(round(value, 2) + 0.0)
