"""``fbsearch report``: a run's page, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fbsearch.cli.options import Json, written
from fbsearch.cli.printing import notify, print_json
from fbsearch.files import check_writable

EXAMPLES = "Examples: fbsearch report runs/quickstart; fbsearch report runs/quickstart --figures figures/"


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    figures: Annotated[
        Path | None, written("--figures", help="Write its figures into this folder too, as SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a run's page anew: RUN/report.html."""
    from fbsearch.reports import write_figures, write_report

    if figures is not None:
        check_writable(figures)
    path = write_report(run)
    drawn = () if figures is None else write_figures(run, figures)
    if as_json:
        print_json({"report": str(path), "figures": [str(figure) for figure in drawn]})
        return
    notify(f"report: {path}")
    for figure in drawn:
        notify(f"figure: {figure}")
