"""Slots x candidates as a grid: probabilities, latencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from fbsearch.reports.charts.marks import cell, titled
from fbsearch.reports.charts.svg import drawing, tag, text
from fbsearch.reports.formatting import format_ms, format_percent, ms_decimals

HeatColour = Literal["blue", "orange"]

Row = tuple[Sequence[str], Sequence[float]]
"""Names of a slot's candidates, and a value of each."""

STRENGTH_STEPS = 20

_CELL_WIDTH, _CELL_HEIGHT, _GAP = 46, 22, 2
_LEFT, _TITLE_HEIGHT = 34, 26
_CHARACTER = 6.4  # of the 11 px sans-serif, so that turned names find room


@dataclass(frozen=True)
class HeatCell:
    """One candidate of one slot.

    Args:
        text: what the cell shows.
        title: the whole statement.
        level: strength of the colour, 0 to ``STRENGTH_STEPS``.
        is_chosen: whether the chosen architecture has this candidate.
    """

    text: str
    title: str
    level: int
    is_chosen: bool


@dataclass(frozen=True)
class HeatMap:
    """A grid; ``rows[s][c]`` is None where slot s lacks candidate c."""

    columns: tuple[str, ...]
    rows: tuple[tuple[HeatCell | None, ...], ...]


def probability_grid(rows: Sequence[Row], choices: Sequence[int] | None = None) -> HeatMap:
    """The probability of every candidate.

    Args:
        rows: of each slot.
        choices: the chosen candidate of each slot, where there is one.
    """

    def describe(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = f"{100 * value:.0f}" if value >= 0.005 else "\u00b7"
        return HeatCell(text, f"layer {slot}, {name}: {format_percent(value)}", _level(value, 1.0), is_chosen)

    return _heat_map(rows, choices, describe)


def latency_grid(rows: Sequence[Row], choices: Sequence[int] | None = None) -> HeatMap:
    """Latencies in microseconds against the slowest of all.

    Args:
        rows: of each slot.
        choices: the chosen candidate of each slot, where there is one.
    """
    latencies = [value for _, values in rows for value in values]
    slowest, decimals = max(latencies, default=0.0), min(ms_decimals(latencies), 3)

    def describe(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = format_ms(value, decimals=decimals, unit=False).lstrip("0") or "0"
        if value == 0:
            text = "0"
        return HeatCell(text, f"layer {slot}, {name}: {format_ms(value)}", _level(value, slowest), is_chosen)

    return _heat_map(rows, choices, describe)


def _heat_map(
    rows: Sequence[Row],
    choices: Sequence[int] | None,
    describe: Callable[[int, str, float, bool], HeatCell],
) -> HeatMap:
    columns = tuple(dict.fromkeys(name for names, _ in rows for name in names))
    grid = []
    for slot, (names, values) in enumerate(rows):
        chosen = None if choices is None else names[choices[slot]]
        known = dict(zip(names, values, strict=True))
        grid.append(
            tuple(
                describe(slot + 1, name, known[name], name == chosen) if name in known else None
                for name in columns
            )
        )
    return HeatMap(columns, tuple(grid))


def _level(value: float, full: float) -> int:
    return round(STRENGTH_STEPS * min(max(value / full, 0.0), 1.0)) if full > 0 else 0


def draw_heat_map(map_: HeatMap, *, title: str, colour: HeatColour) -> Markup:
    """A row per layer, a column per candidate.

    Args:
        map_: the cells.
        title: above them, with the unit.
        colour: of the strongest.
    """
    top = _TITLE_HEIGHT + 8 + _CHARACTER * max(map(len, map_.columns))
    width = max(_LEFT + _CELL_WIDTH * len(map_.columns) + 6, _CHARACTER * len(title) + 12)
    parts = [text(6, 17, title, "title")]
    parts += [_column_name(name, _middle(column), top - 6) for column, name in enumerate(map_.columns)]
    for number, row in enumerate(map_.rows):
        y = top + _CELL_HEIGHT * number
        parts.append(text(_LEFT - 8, y + 15, str(number + 1), "tick", anchor="end"))
        parts += [
            _draw_cell(one, _LEFT + _CELL_WIDTH * column, y, colour)
            for column, one in enumerate(row)
            if one is not None
        ]
    height = top + _CELL_HEIGHT * len(map_.rows) + 6
    label = f"{title}: {len(map_.rows)} layers by {len(map_.columns)} candidates"
    return drawing(width, height, *parts, label=label)


def _middle(column: int) -> float:
    return _LEFT + _CELL_WIDTH * (column + 0.5) - _GAP / 2


def _column_name(name: str, x: float, y: float) -> Markup:
    return tag("text", name, class_="tick", transform=f"translate({x + 4:.1f} {y:.1f}) rotate(-90)")


def _draw_cell(one: HeatCell, x: float, y: float, colour: HeatColour) -> Markup:
    strength = 0.05 + 0.95 * one.level / STRENGTH_STEPS
    width, height = _CELL_WIDTH - _GAP, _CELL_HEIGHT - _GAP
    field = cell((x, y, width, height), colour, strength, is_chosen=one.is_chosen)
    style = f"value {colour}{_strength(one)}{' chosen' if one.is_chosen else ''}"
    return titled(one.title, field, text(x + width / 2, y + 14, one.text, style, anchor="middle"))


def _strength(one: HeatCell) -> str:
    """Which cells are so dark that their number must change colour: in dark mode sooner."""
    if one.level >= 17:
        return " highest"
    return " high" if one.level >= 13 else ""
