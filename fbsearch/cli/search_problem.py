"""What ``fbsearch search`` is asked for, read: the space, the images, the tables and their budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.cli.options import SpaceFields
from fbsearch.data import Augmentation, DataSplits
from fbsearch.devices import RUNTIME_FORMATS
from fbsearch.errors import InvalidInputError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.choice.limits import check_budgets_ms, load_tables, table_limits
from fbsearch.pipeline.recipe import BudgetSettings, settings_from, validate_settings
from fbsearch.pipeline.stages.inputs import augmentation_of, load_splits, space_for
from fbsearch.pipeline.sweeps.budgets import SweepBudget, parse_budgets
from fbsearch.records import DataSettings, RunPaths
from fbsearch.search import Method, MethodSettings, Problem, find_method
from fbsearch.spaces import load_definition, load_space


@dataclass(frozen=True)
class SearchOptions:
    """What is to be searched, as the options say it.

    Args:
        space: a preset's name, or a file.
        space_fields: what replaces fields of its definition.
        data: which images, as a recipe says it; None for none.
        tables: files, one per target.
        budgets_ms: latency budgets, one per table; fewer where a sweep replaces them.
        sweep: its latency budgets; None for no sweep.
        budgets: the further ones, by name, as people write them; None for none.
        method: how to search.
        overrides: ``name=value`` of the method's settings.
        seed: of everything random.
    """

    space: str
    space_fields: SpaceFields
    data: Mapping[str, object] | None
    tables: Sequence[Path]
    budgets_ms: Sequence[float]
    sweep: str | None
    budgets: Mapping[str, str | None]
    method: str
    overrides: Sequence[str]
    seed: int


@dataclass(frozen=True)
class TabledProblem:
    """A problem whose targets are known by their tables alone.

    Args:
        problem: what to search.
        tables: of the targets.
        budgets: of latency, one per table, as a recipe says them.
        swept: the budgets of a sweep; none where each target has but its own.
    """

    problem: Problem
    tables: Sequence[LatencyTable]
    budgets: Sequence[float | str]
    swept: Sequence[SweepBudget]

    def save_tables(self, paths: RunPaths) -> None:
        """Write the tables that the search went by into a run's folder."""
        for number, table in enumerate(self.tables, start=1):
            table.save(paths.table(number))


def read_problem(options: SearchOptions) -> TabledProblem:
    """Load what the options name.

    Raises:
        FbsearchError: if something cannot be read, is wrong, or does not fit the rest.
    """
    method = find_method(options.method)
    settings = settings_from(method.settings, options.overrides, source="search", method=options.method)
    budgets = validate_settings(BudgetSettings, options.budgets, source="budgets")
    swept = () if options.sweep is None else parse_budgets(options.sweep)
    _check_given(method, options)
    given = _given_budgets(swept, len(options.tables), options.budgets_ms)
    tables = load_tables(options.tables)
    return TabledProblem(_problem(options, tables, given, budgets, settings), tables, given, swept)


def _check_given(method: Method, options: SearchOptions) -> None:
    """Refuse a search without what its method cannot do without.

    Raises:
        InvalidInputError: saying what to add.
    """
    if method.needs_data and options.data is None:
        raise InvalidInputError(f"--method {method.name} learns from images: add --data")
    if method.needs_data and not options.tables:
        raise InvalidInputError(
            f"--method {method.name} searches within a latency budget: add --table and --budget-ms"
        )
    if options.sweep is not None and not options.tables:
        raise InvalidInputError("--budgets are latency budgets of a sweep: add --table")


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
    options: SearchOptions,
    tables: Sequence[LatencyTable],
    given: Sequence[float | str],
    budgets: BudgetSettings,
    settings: MethodSettings,
) -> Problem:
    images, augmentation = _images(options)
    if images is None:
        space = load_space(options.space, **options.space_fields)
    else:
        space = space_for(images.num_classes, options.space, **options.space_fields)
    models = [(RUNTIME_FORMATS[table.runtime.name], table.runtime.precision) for table in tables]
    return Problem(
        space=space,
        limits=(*table_limits(space, tables, given), *budgets.limits(space, models)),
        data=images,
        augmentation=augmentation,
        settings=settings,
        seed=options.seed,
    )


def _images(options: SearchOptions) -> tuple[DataSplits | None, Augmentation | None]:
    if options.data is None:
        return None, None
    settings = validate_settings(DataSettings, options.data, source="--data")
    definition = load_definition(options.space, **options.space_fields)
    images = load_splits(
        settings, resolution=definition.resolution, in_channels=definition.in_channels, seed=options.seed
    )
    return images, augmentation_of(settings, images)
