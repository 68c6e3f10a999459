"""``fbsearch search``: within one latency budget per table, or a sweep over several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import (
    DryRun,
    HeadChannels,
    Json,
    Limit,
    Method,
    NumClasses,
    OptionalData,
    Out,
    Quiet,
    Resolution,
    Resume,
    Seed,
    Set,
    SkipCorrupt,
    Space,
    WidthMultiplier,
    data_fields,
    override_fields,
    space_fields,
)
from fbsearch.cli.printing import notify, print_json, show_progress

if TYPE_CHECKING:
    from fbsearch.cli.search_problem import TabledProblem
    from fbsearch.pipeline.sweeps.budgets import SweepBudget
    from fbsearch.records import RunPaths
    from fbsearch.search import Limit as SearchLimit
    from fbsearch.search import Problem, SearchResult

    Results = Mapping[SweepBudget, SearchResult]

EXAMPLES = (
    "Examples: fbsearch search --space fbnet --table T.json --data DIR --budget-ms 5 --out RUN; "
    "fbsearch search --space fbnet --table phone.json --budget-ms 8 --table tablet.json --budget-ms 5 "
    "--max-file-size 10MB --data DIR --out RUN; "
    "fbsearch search --space fbnet --method random --table T.json --budget-ms 5 --data DIR --out RUN; "
    "fbsearch search --space fbnet --table T.json --data DIR --budgets 5,8,12ms --out SWEEP; "
    "fbsearch search --method zen --space zen_cifar --max-params 1M --steps 500 --workers 2 --out RUN"
)


def search(
    space: Space,
    out: Out,
    table: Annotated[
        list[Path] | None,
        typer.Option("--table", help="The latency table of the space; repeatable, one per device."),
    ] = None,
    data: OptionalData = None,
    method: Method = "dnas",
    budget_ms: Annotated[
        list[float] | None,
        typer.Option("--budget-ms", help="Latency budget in milliseconds; repeatable, one per table."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--budgets", help="Instead, several latency budgets of one search, such as 5,8,12ms."),
    ] = None,
    max_params: Annotated[
        str | None, typer.Option("--max-params", help="Budget on parameters, such as 1.2M.")
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option("--max-macs", help="Budget on multiply-adds, such as 300M.")
    ] = None,
    max_layers: Annotated[
        str | None, typer.Option("--max-layers", help="Budget on blocks and convolutions, such as 18.")
    ] = None,
    max_peak_memory: Annotated[
        str | None,
        typer.Option("--max-peak-memory", help="Budget on activations alive at once, such as 4MB."),
    ] = None,
    max_file_size: Annotated[
        str | None, typer.Option("--max-file-size", help="Budget on the exported model, such as 5MB.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Of zen: structures to propose.")
    ] = None,
    population: Annotated[
        int | None, typer.Option("--population", min=1, help="Of zen: structures that are kept.")
    ] = None,
    proxy: Annotated[
        str | None, typer.Option("--proxy", help="Of zen: the score, or several, such as zen,naswot.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option("--workers", help="Of zen: processes that score, or 'ray'.")
    ] = None,
    dry_run: DryRun = False,
    seed: Seed = 0,
    limit: Limit = None,
    skip_corrupt: SkipCorrupt = False,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    settings: Set = None,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search a space for the architecture that keeps a latency budget.

    Further budgets (--max-params and the like) are kept at the same time, exactly. --budgets 5,8,12ms chooses
    an architecture for each of several budgets from one search, and draws accuracy over latency.
    --set takes settings of the method, such as --set epochs=30 or --set objective=fbnet with dnas,
    --set trials=64 or --set training.epochs=3 with random, --set generation=32 with zen, which trains nothing
    and needs neither images nor a table.
    """
    from fbsearch.cli.search_problem import SearchOptions, read_problem
    from fbsearch.records import RunPaths

    options = SearchOptions(
        space=space,
        space_fields=space_fields(resolution, num_classes, width_multiplier, head_channels),
        data=None if data is None else data_fields(data, limit, skip_corrupt),
        tables=table or [],
        budgets_ms=budget_ms or [],
        sweep=sweep,
        budgets={
            "params": max_params,
            "macs": max_macs,
            "layers": max_layers,
            "peak_memory": max_peak_memory,
            "file_size": max_file_size,
        },
        method=method,
        overrides=[
            *(settings or []),
            *override_fields(steps=steps, population=population, proxy=proxy, workers=workers),
        ],
        seed=seed,
    )
    given = read_problem(options)
    if dry_run:
        _rehearse(given.problem, as_json=as_json)
        return
    run = _sweep if given.swept else _search
    run(given, RunPaths(out), resume=resume, progress=show_progress(quiet), as_json=as_json)


def _rehearse(problem: Problem, *, as_json: bool) -> None:
    from fbsearch.search import check_feasible, rehearse

    check_feasible(problem.limits)
    rehearsal = rehearse(problem)
    if as_json:
        print_json({"effort": rehearsal.effort, "seconds": rehearsal.seconds})
    else:
        notify(f"would search {problem.space.name} by {problem.settings.method}: {rehearsal.words}")


def _search(given: TabledProblem, paths: RunPaths, *, resume: bool, progress: bool, as_json: bool) -> None:
    from fbsearch.pipeline.choice.limits import describe_sources
    from fbsearch.pipeline.choice.searching import run_search
    from fbsearch.pipeline.stages.run_log import stage_alone
    from fbsearch.pipeline.sweeps.population_files import write_population
    from fbsearch.search import check_feasible

    problem = given.problem
    check_feasible(problem.limits)
    with stage_alone(paths, "search", seed=problem.seed):
        result = run_search(problem, paths=paths, resume=resume, progress=progress)
        if result is None:
            return
        given.save_tables(paths)
        figure = write_population(result.record(), paths.root)
    if as_json:
        print_json(result.record().model_dump(mode="json"))
        return
    for warning in result.warnings:
        notify(f"warning: {warning}")
    sources = describe_sources(problem.limits)
    notify(f"{paths.architecture}: {_describe(result)}{f' ({sources})' if sources else ''}")
    if figure is not None:
        notify(f"{figure}: the last population")


def _sweep(given: TabledProblem, paths: RunPaths, *, resume: bool, progress: bool, as_json: bool) -> None:
    from fbsearch.pipeline.stages.run_log import stage_alone
    from fbsearch.pipeline.sweeps.budgets import swept_limits
    from fbsearch.pipeline.sweeps.search import run_sweep
    from fbsearch.records import RunPaths
    from fbsearch.search import check_feasible, find_method

    problem = given.problem
    swept = {budget: swept_limits(problem.limits, budget, given.budgets) for budget in given.swept}
    for limits in swept.values():
        check_feasible(limits)
    with stage_alone(paths, "search", seed=problem.seed):
        merged = find_method(problem.settings.method).merge(list(swept.values()))
        results = run_sweep(
            replace(problem, limits=merged), swept, out=paths.root, resume=resume, progress=progress
        )
        if results is None:
            return
        for budget in results:
            given.save_tables(RunPaths(paths.root / budget.name))
    if as_json:
        print_json({budget.name: one.record().model_dump(mode="json") for budget, one in results.items()})
    else:
        _tell_sweep(given, paths, results)


def _tell_sweep(given: TabledProblem, paths: RunPaths, results: Results) -> None:
    from fbsearch.pipeline.choice.limits import describe_sources
    from fbsearch.records import RunPaths

    for budget, result in results.items():
        notify(f"{RunPaths(paths.root / budget.name).architecture}: {_describe(result)}")
    for warning in dict.fromkeys(warning for result in results.values() for warning in result.warnings):
        notify(f"warning: {warning}")
    sources = describe_sources(given.problem.limits)
    notify(f"{paths.root / 'pareto.svg'}: the finalists of all budgets ({sources})")


def _describe(result: SearchResult) -> str:
    """What was chosen, and how it keeps its budgets."""
    from fbsearch.spaces import code_names

    kept = [" ".join(code_names(result.space, result.winner.code))]
    kept += [_describe_limit(result, limit) for limit in result.limits]
    return "; ".join(kept)


def _describe_limit(result: SearchResult, limit: SearchLimit) -> str:
    from fbsearch.search.estimation import estimated_words

    winner = result.winner
    if limit.target is None:
        return f"{limit.name} {limit.cost.of(winner.code):.6g} of {limit.bound:.6g}"
    where = "" if len(winner.predicted_us) == 1 else f" on {limit.target}"
    predicted_us = winner.predicted_us[limit.target]
    known = f"predicted{where} {predicted_us / 1000:.4g} ms of {limit.bound / 1000:.4g} ms"
    words = estimated_words(limit, winner.architecture)
    return f"{known} ({words})" if words else known
