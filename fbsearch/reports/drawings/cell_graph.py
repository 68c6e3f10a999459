"""The drawing of a cell: states in columns, between them the operators on the way from one to another."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fbsearch.reports.charts.svg import Place, drawing, line, tag, text
from fbsearch.reports.drawings.cells import CellGraph, CellPart
from fbsearch.reports.drawings.layout import Layout, Slot, layered

ROW = 26.0
STEP = 78.0
"""From column to column; states and operators take turns."""
HEIGHT = 18.0
BOX_WIDTH, NUMBER_WIDTH, WORD_WIDTH = 74.0, 22.0, 50.0
END = 14.0
"""Length of the lines from outside and to the outside."""
MARGIN = WORD_WIDTH / 2 + END


def draw_cell(cell: CellGraph) -> Markup:
    """The cell from its inputs, left, to its output, right; hovering tells an operator's key and latency."""
    parts = {part.name: part for part in cell.parts}
    columns, plan = _plan(cell)
    places = _places(plan)
    lines = [
        _line(places[first], places[second], first[1], is_idle=parts[second[0]].is_idle)
        for first, second in plan.lines
    ]
    ends = [_end(places[part.name, 0], -MARGIN) for part in cell.parts if part.kind == "input"]
    ends.append(_end(places[cell.parts[-1].name, len(plan.columns) - 1], MARGIN))
    marks = [_mark(part, places[name, columns[name]]) for name, part in parts.items()]
    width, height = _size(plan)
    return drawing(width, height, *lines, *ends, *marks, label=describe_cell(cell), class_="graph")


def cell_size(cell: CellGraph) -> tuple[float, float]:
    """Width and height of its drawing, in pixels."""
    return _size(_plan(cell)[1])


def _plan(cell: CellGraph) -> tuple[dict[str, int], Layout]:
    """The column of each part, and where everything stands."""
    columns = find_columns(cell.parts)
    return columns, layered({part.name: part.sources for part in cell.parts}, columns)


def _size(plan: Layout) -> tuple[float, float]:
    return 2 * MARGIN + STEP * (len(plan.columns) - 1), ROW * max(map(len, plan.columns))


def describe_cell(cell: CellGraph) -> str:
    """The cell in words, for those who cannot see it."""
    labels = {part.name: part.label for part in cell.parts}
    states = {name: part.label for part in cell.parts if part.kind == "state" for name in part.sources}
    words = [
        f"{part.label} from {labels[part.sources[0]]} to {states[part.name]}"
        for part in cell.parts
        if part.name in states and part.kind == "operator"
    ]
    return f"{cell.title}: {', '.join(words)}"


def find_columns(parts: Sequence[CellPart]) -> dict[str, int]:
    """Inputs first, each part as far behind as the longest way to it, an operator just before what takes it;
    the last behind all others.
    """
    columns: dict[str, int] = {}
    for part in parts:
        columns[part.name] = max((columns[name] for name in part.sources), default=-1) + 1
    columns[parts[-1].name] = max(columns.values())
    for part in parts:
        if part.kind == "state":
            operators = [one.name for one in parts if one.kind == "operator" and one.name in part.sources]
            columns |= dict.fromkeys(operators, columns[part.name] - 1)
    return columns


def _places(plan: Layout) -> dict[Slot, Place]:
    """The middle of each slot; columns stand centred."""
    tallest = max(map(len, plan.columns))
    return {
        slot: (MARGIN + STEP * column, ROW * (row + (tallest - len(slots) + 1) / 2))
        for column, slots in enumerate(plan.columns)
        for row, slot in enumerate(slots)
    }


def _line(start: Place, end: Place, column: int, *, is_idle: bool) -> Markup:
    """From middle to middle, which marks cover; it changes its row in the gap between two columns."""
    (x1, y1), (x2, y2) = start, end
    halves = (NUMBER_WIDTH / 2, BOX_WIDTH / 2)
    left, right = x1 + halves[column % 2], x2 - halves[1 - column % 2]
    middle = (left + right) / 2
    bend = f"C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {right:.0f} {y2:.0f}"
    path = f"M{x1:.0f} {y1:.0f}H{left:.0f}{bend}H{x2:.0f}"
    return tag("path", d=path, class_="way idle" if is_idle else "way")


def _end(place: Place, length: float) -> Markup:
    x, y = place
    return line(x, y, x + length, y, "way")


def _mark(part: CellPart, place: Place) -> Markup:
    x, y = place
    if part.kind == "operator":
        width, style = BOX_WIDTH, f"box {part.colour}"
    else:
        width, style = (NUMBER_WIDTH if part.label.isdigit() else WORD_WIDTH), "box state"
    box = tag(
        "rect", x=x - width / 2, y=y - HEIGHT / 2, width=width, height=HEIGHT, rx=_radius(part), class_=style
    )
    words = text(x, y + 4, part.label, "word", anchor="middle")
    title = [tag("title", part.title)] if part.title else []
    return tag("g", *title, box, words, class_="idle" if part.is_idle else None)


def _radius(part: CellPart) -> float:
    return 3.0 if part.kind == "operator" else HEIGHT / 2
