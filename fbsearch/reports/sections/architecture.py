"""The architecture: a row per operator with its drawing and its latency in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.architecture import Architecture
from fbsearch.reports.charts import describe_line
from fbsearch.reports.drawings.cell_graph import draw_cell
from fbsearch.reports.drawings.cells import CellGraph, distinct_cells
from fbsearch.reports.drawings.chain import draw_block, kernel_class
from fbsearch.reports.drawings.layers import LayerRow, StageRows, add_latencies, group_layers
from fbsearch.reports.formatting import ms_decimals
from fbsearch.reports.run_folder import RunFolder
from fbsearch.reports.sections.figure import Figure


@dataclass(frozen=True)
class DrawnLayer:
    """A row of the chain.

    Args:
        row: its numbers.
        drawing: of the operator.
        thread: style of the line that runs behind the drawings: where it begins, ends or is dashed.
        colour: style of the operator's colour.
    """

    row: LayerRow
    drawing: Markup
    thread: str
    colour: str


@dataclass(frozen=True)
class DrawnStage:
    """Rows under one heading."""

    stage: StageRows
    layers: tuple[DrawnLayer, ...]


@dataclass(frozen=True)
class ArchitectureSection:
    """What the template shows.

    Args:
        architecture: of the run.
        cells: drawings of the cells, each that differs from the others once; none of a chain.
        stages: stem, stages or cells, and head.
        num_searched: operators that are neither stem nor head.
        device: whose latencies these are: the first of the run; empty where there is but one.
        has_table: whether that device has a table.
        total_us: sum of the table's latencies; None if one is unknown.
        calibrated_us: as the calibration predicts the whole; None without a table.
        calibration: its line in words; empty without one.
        measured_us: of the exported model; None where it was not measured.
        slowest_us: of the operators, for the bars.
        decimals: of the milliseconds.
    """

    architecture: Architecture
    cells: tuple[Figure, ...]
    stages: tuple[DrawnStage, ...]
    num_searched: int
    device: str
    has_table: bool
    total_us: float | None
    calibrated_us: float | None
    calibration: str
    measured_us: float | None
    slowest_us: float
    decimals: int


def architecture_section(run: RunFolder) -> ArchitectureSection | None:
    """The architecture; None where the run has none yet."""
    if run.architecture is None:
        return None
    target = run.targets[0]
    table, verification = target.table, target.verification
    latency_us = table.latency_us if table else None
    groups = group_layers(run.architecture, latency_us)
    latencies = [row.latency_us for group in groups for row in group.rows]
    known = [latency for latency in latencies if latency is not None]
    calibration = table.calibration if table else None
    return ArchitectureSection(
        architecture=run.architecture,
        cells=tuple(_draw_cell(cell) for cell in distinct_cells(run.architecture, latency_us)),
        stages=_draw(groups),
        num_searched=sum(row.number is not None for group in groups for row in group.rows),
        device=run.labels[0],
        has_table=table is not None,
        total_us=add_latencies(latencies),
        calibrated_us=table.calibrated_us(run.architecture) if table else None,
        calibration=describe_line(calibration) if calibration else "",
        measured_us=None if verification is None else 1000 * verification.measured_ms,
        slowest_us=max(known, default=0.0),
        decimals=ms_decimals(known),
    )


def _draw_cell(cell: CellGraph) -> Figure:
    places = f"cell{'s' if len(cell.places) > 1 else ''} {', '.join(map(str, cell.places))}"
    return Figure(cell.title, draw_cell(cell), (("plain", places),))


def _draw(groups: Sequence[StageRows]) -> tuple[DrawnStage, ...]:
    first, last = groups[0].rows[0], groups[-1].rows[-1]
    return tuple(
        DrawnStage(
            group, tuple(_draw_layer(row, is_first=row is first, is_last=row is last) for row in group.rows)
        )
        for group in groups
    )


def _draw_layer(row: LayerRow, *, is_first: bool, is_last: bool) -> DrawnLayer:
    operator = row.operator
    drawing = draw_block(operator, row.description, is_first=is_first, is_last=is_last)
    thread = "dashed" if operator.is_identity else "from" if is_first else "to" if is_last else ""
    return DrawnLayer(row, drawing, thread, kernel_class(operator))
