"""``fbsearch search``: within one latency budget per device, or a sweep over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.costs import AdditiveCost, latency_cost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.devices import RUNTIME_FORMATS
from fbsearch.errors import InvalidInputError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.budgets import BudgetSettings
from fbsearch.pipeline.folder import RunLog, check_writable
from fbsearch.pipeline.inputs import augmentation_of, load_splits, space_for
from fbsearch.pipeline.recipe import settings_from, validate_settings
from fbsearch.pipeline.searching import run_search
from fbsearch.pipeline.several_devices import load_tables, other_devices
from fbsearch.pipeline.sweeping import SweepBudget, parse_budgets, run_sweep
from fbsearch.records import DataSettings, RunPaths
from fbsearch.search import Limit, SearchResult, SearchSettings, check_feasible
from fbsearch.spaces import LayerwiseSpace, load_definition

Fields = Mapping[str, Any]


def search_space(
    source: str,
    fields: Fields,
    *,
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
    """Search a space by tables alone: within a latency budget per device, or for each budget of a sweep."""
    settings = settings_from(SearchSettings, overrides, source="search")
    budget_settings = validate_settings(BudgetSettings, budgets, source="budgets")
    if sweep is None:
        tables = load_tables(table_paths, budgets_ms)
    elif budgets_ms or len(table_paths) > 1:
        raise InvalidInputError("--budgets sweeps one device's latency: give one --table and no --budget-ms")
    else:
        tables = [LatencyTable.load(table_paths[0])]
    swept = () if sweep is None else parse_budgets(sweep)
    prepared = _prepare(source, fields, tables, budgets_ms, data, budget_settings, settings, out, seed)
    if swept:
        _sweep(prepared, swept, resume=resume, quiet=quiet, as_json=as_json)
    else:
        _search(prepared, budgets_ms[0], resume=resume, quiet=quiet, as_json=as_json)


@dataclass(frozen=True)
class _Prepared:
    """What a search is made of."""

    space: LayerwiseSpace
    tables: Sequence[LatencyTable]
    latency: AdditiveCost
    limits: tuple[Limit, ...]
    images: DataSplits
    augmentation: Augmentation | None
    settings: SearchSettings
    paths: RunPaths
    seed: int


def _prepare(
    source: str,
    fields: Fields,
    tables: Sequence[LatencyTable],
    budgets_ms: Sequence[float],
    data: Fields,
    budgets: BudgetSettings,
    settings: SearchSettings,
    out: Path,
    seed: int,
) -> _Prepared:
    data_settings = validate_settings(DataSettings, data, source="--data")
    definition = load_definition(source, **fields)
    images = load_splits(
        data_settings, resolution=definition.resolution, in_channels=definition.in_channels, seed=seed
    )
    space = space_for(images.num_classes, source, **fields)
    runtime = tables[0].runtime
    counted = budgets.limits(space, model_format=RUNTIME_FORMATS[runtime.name], precision=runtime.precision)
    others = other_devices(space, tables, budgets_ms) if len(tables) > 1 else ()
    return _Prepared(
        space=space,
        tables=tables,
        latency=latency_cost(space, tables[0]),
        limits=(*others, *counted),
        images=images,
        augmentation=augmentation_of(data_settings, images),
        settings=settings,
        paths=RunPaths(out),
        seed=seed,
    )


def _search(prepared: _Prepared, budget_ms: float, *, resume: bool, quiet: bool, as_json: bool) -> None:
    latency, paths = prepared.latency, prepared.paths
    check_feasible([Limit(latency, budget_ms * 1000), *prepared.limits])
    check_writable(paths.root)
    with RunLog(paths, seed=prepared.seed).stage("search"):
        result = run_search(
            prepared.space,
            latency=latency,
            budget_us=budget_ms * 1000,
            data=prepared.images,
            augmentation=prepared.augmentation,
            settings=prepared.settings,
            seed=prepared.seed,
            paths=paths,
            resume=resume,
            progress=show_progress(quiet),
            limits=prepared.limits,
        )
    if result is None:
        return
    prepared.tables[0].save(paths.table())
    for number, other in enumerate(prepared.tables[1:], start=2):
        other.save(paths.table(number))
    if as_json:
        print_json(result.record().model_dump(mode="json"))
        return
    if result.collapse:
        notify(f"warning: {result.collapse}")
    notify(f"{paths.architecture}: {_describe(result, budget_ms)} ({latency.label})")


def _sweep(
    prepared: _Prepared, budgets: Sequence[SweepBudget], *, resume: bool, quiet: bool, as_json: bool
) -> None:
    out = prepared.paths.root
    budgets_us = {budget: budget.us(prepared.latency.range()) for budget in budgets}
    for budget_us in budgets_us.values():
        check_feasible([Limit(prepared.latency, budget_us), *prepared.limits])
    check_writable(out)
    with RunLog(prepared.paths, seed=prepared.seed).stage("search"):
        results = run_sweep(
            prepared.space,
            budgets_us,
            latency=prepared.latency,
            limits=prepared.limits,
            data=prepared.images,
            augmentation=prepared.augmentation,
            settings=prepared.settings,
            seed=prepared.seed,
            out=out,
            resume=resume,
            progress=show_progress(quiet),
        )
    if results is None:
        return
    for budget, result in results.items():
        paths = RunPaths(out / budget.name)
        prepared.tables[0].save(paths.table())
        if not as_json:
            notify(f"{paths.architecture}: {_describe(result, result.budget_us / 1000)}")
    if as_json:
        print_json(
            {budget.name: result.record().model_dump(mode="json") for budget, result in results.items()}
        )
        return
    collapses = {result.collapse for result in results.values() if result.collapse}
    for collapse in collapses:
        notify(f"warning: {collapse}")
    notify(f"{out / 'pareto.svg'}: the finalists of all budgets ({prepared.latency.label})")


def _describe(result: SearchResult, budget_ms: float) -> str:
    """What was chosen, and how it keeps its budgets."""
    winner = result.finalists[result.chosen]
    words = " ".join(result.space.choice_names(winner.choices))
    words += f"; predicted {winner.predicted_us / 1000:.4g} ms of {budget_ms:.4g} ms"
    for limit in result.limits:
        words += f"; {limit.cost.name} {limit.cost.of(winner.choices):.6g} of {limit.bound:.6g}"
    return words
