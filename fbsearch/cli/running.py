"""``fbsearch run`` and ``fbsearch report``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_json, print_table, show_progress
from fbsearch.files import check_writable
from fbsearch.pipeline import PlannedStage, Run, SweepRun, load_recipe
from fbsearch.pipeline.choice.judging import Verifications
from fbsearch.pipeline.sweeps.budgets import parse_budgets
from fbsearch.reports import write_figures, write_report


def run_recipe(
    source: str,
    out: Path,
    *,
    sweep: str | None,
    method: str | None,
    device_name: str | None,
    overrides: Sequence[str],
    keep: bool,
    resume: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a recipe, at several budgets if they are given, or say what it would do."""
    if device_name is not None:
        overrides = [
            *overrides,
            f"device.name={json.dumps(device_name)}",
        ]  # quoted: a name may look like a number
    recipe = load_recipe(source, overrides, method=method)
    if method is not None and (own := load_recipe(source).search.method) != method:
        notify(
            f"search: the recipe's settings of method {own} are left aside; {method} has defaults of its own"
        )
    if sweep is not None:
        _run_sweep(
            SweepRun(
                recipe,
                parse_budgets(sweep),
                out,
                progress=show_progress(quiet),
                notify=notify,
                keep=keep,
            ),
            out,
            resume=resume,
            dry_run=dry_run,
            as_json=as_json,
        )
        return
    run = Run(recipe, out, progress=show_progress(quiet), notify=notify, keep=keep)
    if dry_run:
        _show_plan(run.plan(), out, as_json=as_json)
        return
    verifications = run.execute(resume=resume)
    if as_json and verifications:
        print_json(_records(verifications))


def _run_sweep(run: SweepRun, out: Path, *, resume: bool, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        _show_plan(run.plan(), out, as_json=as_json)
        return
    verifications = run.execute(resume=resume)
    if as_json and verifications:
        print_json({name: _records(one) for name, one in verifications.items()})


def _records(verifications: Verifications) -> Any:
    """A verification as it is on disk, or a list of several targets'."""
    records = [one.model_dump(mode="json") for one in verifications.values()]
    return records[0] if len(records) == 1 else records


def write_page(folder: Path, *, figures: Path | None, as_json: bool) -> None:
    """Write a run's page, and its figures where a folder for them is given."""
    if figures is not None:
        check_writable(figures)
    path = write_report(folder)
    drawn = () if figures is None else write_figures(folder, figures)
    if as_json:
        print_json({"report": str(path), "figures": [str(figure) for figure in drawn]})
        return
    notify(f"report: {path}")
    for figure in drawn:
        notify(f"figure: {figure}")


def _show_plan(stages: Sequence[PlannedStage], out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{**stage.__dict__, "writes": [str(out / name) for name in stage.writes]} for stage in stages]
        )
        return
    rows = [
        [
            stage.name,
            stage.action,
            ", ".join(stage.writes),
            "" if stage.seconds is None else f"{stage.seconds / 60:.1f}",
        ]
        for stage in stages
    ]
    print_table(
        f"Would write to {out}:", ["stage", "what", "writes", "minutes"], rows, numeric=frozenset({"minutes"})
    )
