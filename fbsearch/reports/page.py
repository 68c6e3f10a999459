"""The run's page: read the folder, prepare the numbers, draw, fill the template, write."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fbsearch.files import write_text
from fbsearch.records import RunPaths
from fbsearch.reports import formatting
from fbsearch.reports.block_drawing import draw_block, kernel_class
from fbsearch.reports.chart_drawing import draw_histogram, draw_lines, draw_whole_networks
from fbsearch.reports.content import page_content
from fbsearch.reports.pareto_drawing import draw_pareto
from fbsearch.reports.prediction_drawing import draw_predictions
from fbsearch.reports.run_folder import RunFolder, read_run


def write_report(run: Path) -> Path:
    """Write ``RUN/report.html``: one self-contained page about a run, whole or partial.

    >>> write_report(Path("runs/quickstart"))  # doctest: +SKIP
    PosixPath('runs/quickstart/report.html')

    Args:
        run: the folder that ``fbsearch run`` wrote; stages that have not run are named on the page.

    Returns:
        The page's path.

    Raises:
        CheckpointError: if the folder is missing, holds no file of a run, or one is damaged.
        TableError, ArchitectureError: if the table or the architecture is damaged.
    """
    path = RunPaths(run).report
    write_text(path, render_page(read_run(run)))
    return path


def render_page(run: RunFolder) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("fbsearch.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        draw_lines=draw_lines,
        draw_pareto=draw_pareto,
        draw_predictions=draw_predictions,
        draw_whole_networks=draw_whole_networks,
        draw_histogram=draw_histogram,
        draw_block=draw_block,
        kernel_class=kernel_class,
        format_ms=formatting.format_ms,
    )
    for name in ("ms", "percent", "accuracy", "count", "bytes", "seconds", "number"):
        environment.filters[name] = getattr(formatting, f"format_{name}")
    return environment.get_template("report.html.j2").render(page_content(run))
