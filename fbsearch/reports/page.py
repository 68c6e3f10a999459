"""The run's page: read the folder, prepare its sections, fill the template, write."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fbsearch.files import write_text
from fbsearch.records import RunPaths
from fbsearch.reports import formatting
from fbsearch.reports.run_folder import RunFolder, read_run
from fbsearch.reports.sections.architecture import architecture_section
from fbsearch.reports.sections.reproduce import reproduce_section
from fbsearch.reports.sections.search import search_section
from fbsearch.reports.sections.table import table_sections
from fbsearch.reports.sections.training import training_section
from fbsearch.reports.sections.verdict import verdict_section


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
        loader=PackageLoader("fbsearch.reports", "."),  # each section's template lies beside its code
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("ms", "percent", "accuracy", "count", "bytes", "seconds", "number"):
        environment.filters[name] = getattr(formatting, f"format_{name}")
    return environment.get_template("templates/page.html.j2").render(
        run=run,
        title=run.path.resolve().name,
        verdict=verdict_section(run),
        architecture=architecture_section(run),
        search=search_section(run),
        training=training_section(run),
        tables=table_sections(run),
        reproduce=reproduce_section(run),
    )
