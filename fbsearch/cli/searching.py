"""``fbsearch search``: within one latency budget per table, or a sweep over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.devices import RUNTIME_FORMATS
from fbsearch.errors import InvalidInputError
from fbsearch.files import check_writable
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.choice.limits import check_budgets_ms, describe_sources, load_tables, table_limits
from fbsearch.pipeline.choice.searching import run_search
from fbsearch.pipeline.recipe import BudgetSettings, settings_from, validate_settings
from fbsearch.pipeline.stages.inputs import augmentation_of, load_splits, space_for
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.pipeline.sweeps.budgets import SweepBudget, parse_budgets, swept_limits
from fbsearch.pipeline.sweeps.search import run_sweep
from fbsearch.records import DataSettings, RunPaths
from fbsearch.search import MethodSettings, Problem, SearchResult, check_feasible, find_method
from fbsearch.spaces import code_names, load_definition

Fields = Mapping[str, Any]


def search_space(
    source: str,
    fields: Fields,
    *,
    method: str,
    table_paths: Sequence[Path],
    data: Fields,
    budgets_ms: Sequence[float],
    sweep: str | None,
    budgets: Fields,
    out: Path,
    seed: int,
    overrides: Sequence[str],
    resume: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search a space by tables alone: within a latency budget per table, or for each budget of a sweep."""
    settings = settings_from(find_method(method).settings, overrides, source="search", method=method)
    budget_settings = validate_settings(BudgetSettings, budgets, source="budgets")
    swept = () if sweep is None else parse_budgets(sweep)
    given = _given_budgets(swept, len(table_paths), budgets_ms)
    tables = load_tables(table_paths)
    problem = _problem(source, fields, tables, given, data, budget_settings, settings, seed)
    job = _Job(problem, tables, given, RunPaths(out), resume=resume, quiet=quiet, as_json=as_json)
    if swept:
        _sweep(job, swept)
    else:
        _search(job)


@dataclass(frozen=True)
class _Job:
    """A search, and how it is run.

    Args:
        problem: what to search.
        tables: of the targets.
        given: their latency budgets, as a recipe says them.
        paths: where the files go.
        resume: go on from a checkpoint.
        quiet: show no progress.
        as_json: print the result as JSON.
    """

    problem: Problem
    tables: Sequence[LatencyTable]
    given: Sequence[float | str]
    paths: RunPaths
    resume: bool
    quiet: bool
    as_json: bool

    def save_tables(self, paths: RunPaths) -> None:
        """Write the tables that the search went by into a run's folder."""
        for number, table in enumerate(self.tables, start=1):
            table.save(paths.table(number))


def _given_budgets(
    swept: Sequence[SweepBudget], num_tables: int, budgets_ms: Sequence[float]
) -> Sequence[float | str]:
    """The budget of each table; of those that a sweep replaces, its first one.

    Raises:
        InvalidInputError: if they are not as many as the tables need.
    """
    check_budgets_ms(budgets_ms)
    if not swept:
        if num_tables != len(budgets_ms):
            raise InvalidInputError(
                f"{num_tables} --table and {len(budgets_ms)} --budget-ms: give each device's table its own "
                "budget"
            )
        return budgets_ms
    first_ms = next((budget.value for budget in swept if not budget.is_of_every_target), None)
    num_own = 0 if first_ms is None else num_tables - 1
    if len(budgets_ms) != num_own:
        raise InvalidInputError(
            f"{num_tables} --table and {len(budgets_ms)} --budget-ms beside --budgets: per cent are of every "
            "table's range, and take no --budget-ms; milliseconds are of the first table, and every further "
            "one takes its own --budget-ms"
        )
    return [swept[0].setting] * num_tables if first_ms is None else [first_ms, *budgets_ms]


def _problem(
    source: str,
    fields: Fields,
    tables: Sequence[LatencyTable],
    given: Sequence[float | str],
    data: Fields,
    budgets: BudgetSettings,
    settings: MethodSettings,
    seed: int,
) -> Problem:
    data_settings = validate_settings(DataSettings, data, source="--data")
    definition = load_definition(source, **fields)
    images = load_splits(
        data_settings, resolution=definition.resolution, in_channels=definition.in_channels, seed=seed
    )
    space = space_for(images.num_classes, source, **fields)
    models = [(RUNTIME_FORMATS[table.runtime.name], table.runtime.precision) for table in tables]
    return Problem(
        space=space,
        limits=(*table_limits(space, tables, given), *budgets.limits(space, models)),
        data=images,
        augmentation=augmentation_of(data_settings, images),
        settings=settings,
        seed=seed,
    )


def _search(job: _Job) -> None:
    paths = job.paths
    check_feasible(job.problem.limits)
    check_writable(paths.root)
    with RunLog(paths, seed=job.problem.seed).stage("search"):
        result = run_search(job.problem, paths=paths, resume=job.resume, progress=show_progress(job.quiet))
    if result is None:
        return
    job.save_tables(paths)
    if job.as_json:
        print_json(result.record().model_dump(mode="json"))
        return
    if result.collapse:
        notify(f"warning: {result.collapse}")
    notify(f"{paths.architecture}: {_describe(result)} ({describe_sources(job.problem.limits)})")


def _sweep(job: _Job, budgets: Sequence[SweepBudget]) -> None:
    out, problem = job.paths.root, job.problem
    swept = {budget: swept_limits(problem.limits, budget, job.given) for budget in budgets}
    for limits in swept.values():
        check_feasible(limits)
    check_writable(out)
    with RunLog(job.paths, seed=problem.seed).stage("search"):
        results = run_sweep(
            replace(problem, limits=find_method(problem.settings.method).merge(list(swept.values()))),
            swept,
            out=out,
            resume=job.resume,
            progress=show_progress(job.quiet),
        )
    if results is None:
        return
    for budget, result in results.items():
        paths = RunPaths(out / budget.name)
        job.save_tables(paths)
        if not job.as_json:
            notify(f"{paths.architecture}: {_describe(result)}")
    if job.as_json:
        print_json({budget.name: one.record().model_dump(mode="json") for budget, one in results.items()})
        return
    collapses = {result.collapse for result in results.values() if result.collapse}
    for collapse in collapses:
        notify(f"warning: {collapse}")
    notify(f"{out / 'pareto.svg'}: the finalists of all budgets ({describe_sources(job.problem.limits)})")


def _describe(result: SearchResult) -> str:
    """What was chosen, and how it keeps its budgets."""
    winner, words = result.winner, " ".join(code_names(result.space, result.winner.code))
    is_alone = len(winner.predicted_us) == 1
    for limit in result.limits:
        if limit.target is None:
            words += f"; {limit.name} {limit.cost.of(winner.code):.6g} of {limit.bound:.6g}"
        else:
            where = "" if is_alone else f" on {limit.target}"
            predicted_us = winner.predicted_us[limit.target]
            words += f"; predicted{where} {predicted_us / 1000:.4g} ms of {limit.bound / 1000:.4g} ms"
    return words
