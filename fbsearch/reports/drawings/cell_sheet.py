"""All cells of an architecture in one drawing, as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fbsearch.architecture import Architecture
from fbsearch.errors import ArchitectureError
from fbsearch.reports.charts.standalone import standalone
from fbsearch.reports.charts.svg import drawing, tag, text
from fbsearch.reports.drawings.cell_graph import cell_size, describe_cell, draw_cell
from fbsearch.reports.drawings.cells import CellGraph, distinct_cells

_HEADING = 30.0
_GAP = 18.0
_LETTER = 7.0
"""Width of a heading's letter, about."""


def draw_cells(architecture: Architecture) -> str:
    """Each cell that differs from the others once, under its name and the places where it stands.

    Raises:
        ArchitectureError: if the architecture has no cells.
    """
    cells = distinct_cells(architecture, None)
    if not cells:
        raise ArchitectureError(
            f"{architecture.name!r} has no cells that could be drawn; the report of a run draws its layers"
        )
    headings = [_heading(cell) for cell in cells]
    sizes = [cell_size(cell) for cell in cells]
    width = max(*(width for width, _ in sizes), *(_LETTER * len(heading) for heading in headings))
    return standalone(_sheet(cells, headings, [height for _, height in sizes], width))


def _sheet(
    cells: Sequence[CellGraph], headings: Sequence[str], heights: Sequence[float], width: float
) -> Markup:
    parts: list[Markup] = []
    top = 0.0
    for cell, heading, height in zip(cells, headings, heights, strict=True):
        parts.append(text(0, top + 18, heading, "title"))
        parts.append(tag("g", draw_cell(cell), transform=f"translate(0 {top + _HEADING:g})"))
        top += _HEADING + height + _GAP
    label = "; ".join(describe_cell(cell) for cell in cells)
    return drawing(width, top, *parts, label=label, class_="sheet")


def _heading(cell: CellGraph) -> str:
    return f"{cell.title} ({'cell' if len(cell.places) == 1 else 'cells'} {_ranges(cell.places)})"


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers that follow one another as their first and last.

    >>> _ranges([1, 2, 3, 5, 7, 8])
    '1–3, 5, 7, 8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(words)
