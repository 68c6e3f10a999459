"""Slots x candidates as SVG: a file of its own for what the page shows as a table."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

from fbsearch.reports.heat_maps import STRENGTH_STEPS, HeatCell, HeatMap
from fbsearch.reports.svg import drawing, tag, text

HeatColour = Literal["blue", "orange"]

_CELL_WIDTH, _CELL_HEIGHT, _GAP = 46, 22, 2
_LEFT, _TITLE_HEIGHT = 34, 26
_CHARACTER = 6.4  # of the 11 px sans-serif, so that turned names find room


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
            _cell(cell, _LEFT + _CELL_WIDTH * column, y, colour)
            for column, cell in enumerate(row)
            if cell is not None
        ]
    height = top + _CELL_HEIGHT * len(map_.rows) + 6
    label = f"{title}: {len(map_.rows)} layers by {len(map_.columns)} candidates"
    return drawing(width, height, *parts, label=label)


def _middle(column: int) -> float:
    return _LEFT + _CELL_WIDTH * (column + 0.5) - _GAP / 2


def _column_name(name: str, x: float, y: float) -> Markup:
    return tag("text", name, class_="tick", transform=f"translate({x + 4:.1f} {y:.1f}) rotate(-90)")


def _cell(cell: HeatCell, x: float, y: float, colour: HeatColour) -> Markup:
    strength = 0.05 + 0.95 * cell.level / STRENGTH_STEPS
    outline = " chosen" if cell.is_chosen else ""
    body = tag(
        "rect", x=x, y=y, width=_CELL_WIDTH - _GAP, height=_CELL_HEIGHT - _GAP, rx=3,
        class_=f"cell {colour}", fill_opacity=f"{strength:.3f}",
    )  # fmt: skip
    parts = [tag("title", cell.title), body]
    if cell.is_chosen:
        parts.append(
            tag(
                "rect", x=x, y=y, width=_CELL_WIDTH - _GAP, height=_CELL_HEIGHT - _GAP, rx=3,
                class_="outline",
            )
        )  # fmt: skip
    middle = x + (_CELL_WIDTH - _GAP) / 2
    parts.append(
        text(middle, y + 14, cell.text, f"value {colour}{_strength(cell)}{outline}", anchor="middle")
    )
    return tag("g", *parts)


def _strength(cell: HeatCell) -> str:
    """Which cells are so dark that their number must change colour: in dark mode sooner."""
    if cell.level >= 17:
        return " highest"
    return " high" if cell.level >= 13 else ""
