"""``fbsearch run``: a recipe from the table to the report, at one budget or at several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fbsearch.cli.options import Json, Keep, Quiet, Resume, RunMethod, RunOut, Set, SkipCorrupt
from fbsearch.cli.printing import notify, one_or_all, print_json, print_table, show_progress
from fbsearch.errors import InvalidInputError

if TYPE_CHECKING:
    from fbsearch.pipeline import PlannedStage, Run, SweepRun
    from fbsearch.pipeline.choice.judging import Verifications

EXAMPLES = (
    "Examples: fbsearch run quickstart --out runs/quickstart; "
    "fbsearch run cifar10 --set data.source=cifar10.zip --set budget_ms=0.5 --out runs/cifar10 --resume; "
    "fbsearch run runs/cifar10 --resume; "
    "fbsearch run quickstart --device pixel7 --out runs/pixel7; "
    "fbsearch run quickstart --budgets 30,50,70% --out runs/sweep"
)


def run(
    recipe: Annotated[
        str,
        typer.Argument(help="quickstart, cifar10, zen-cifar, …, a YAML file, or a run's folder."),
    ],
    out: RunOut = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="As in --set device.name=…; by default the recipe's."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--budgets", help="Several latency budgets instead of one, such as 5,8,12ms or 30,60%."),
    ] = None,
    method: RunMethod = None,
    settings: Set = None,
    skip_corrupt: SkipCorrupt = False,
    keep: Keep = False,
    resume: Resume = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and what it writes.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run everything: profile, search, train, export, verify, report.

    --budgets searches once, and runs the stages after it for each budget, in a folder of its own.
    """
    from fbsearch.pipeline import Run, SweepRun, load_recipe
    from fbsearch.pipeline.sweeps.budgets import parse_budgets

    overrides = list(settings or [])
    if device is not None:
        overrides.append(f"device.name={json.dumps(device)}")  # quoted: a name may look like a number
    if skip_corrupt:
        overrides.append("data.skip_corrupt=true")
    recipe, out = _place(recipe, out, sweep)
    wanted = load_recipe(recipe, overrides, method=method, notify=notify)
    progress = show_progress(quiet)
    if sweep is None:
        job: Run | SweepRun = Run(wanted, out, progress=progress, notify=notify, keep=keep)
    else:
        budgets = parse_budgets(sweep)
        job = SweepRun(wanted, budgets, out, progress=progress, notify=notify, keep=keep)
    if dry_run:
        _show_plan(job.plan(), out, as_json=as_json)
        return
    record = _executed(job, resume=resume)
    if as_json and record:
        print_json(record)


def _place(source: str, out: Path | None, sweep: str | None) -> tuple[str, Path]:
    """The recipe and the run's folder, which may hold it.

    Raises:
        InvalidInputError: if there is no folder, or it is that of a sweep whose budgets are not given.
    """
    from fbsearch.pipeline.sweeps.budgets import swept_budgets
    from fbsearch.records import RunPaths

    folder = out or Path(source)
    if out is None:
        stored = RunPaths(folder).recipe
        if not stored.is_file():
            raise InvalidInputError(
                f"{source!r} is no run's folder, which alone goes without --out: add --out FOLDER"
            )
        source = str(stored)
    budgets = swept_budgets(folder)
    if budgets and sweep is None:
        raise InvalidInputError(f"{folder} holds a sweep: give its budgets again: --budgets {budgets}")
    return source, folder


def _executed(job: Run | SweepRun, *, resume: bool) -> Any:
    """The verifications of a run as they are on disk; of a sweep, those of each budget by its name."""
    from fbsearch.pipeline import Run

    if isinstance(job, Run):
        return _records(job.execute(resume=resume))
    return {name: _records(one) for name, one in job.execute(resume=resume).items()}


def _records(verifications: Verifications) -> Any:
    """A verification as it is on disk, or a list of several targets'."""
    return one_or_all([one.model_dump(mode="json") for one in verifications.values()])


def _show_plan(stages: Sequence[PlannedStage], out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{**stage.__dict__, "writes": [str(out / name) for name in stage.writes]} for stage in stages]
        )
        return
    columns = ["stage", "what", "writes", "minutes"]
    print_table(f"Would write to {out}:", columns, [*map(_row, stages)], numeric=frozenset({"minutes"}))


def _row(stage: PlannedStage) -> list[str]:
    minutes = "" if stage.seconds is None else f"{stage.seconds / 60:.1f}"
    return [stage.name, stage.action, ", ".join(stage.writes), minutes]
