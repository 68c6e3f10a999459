"""Budgets of latency as limits of a search: one for each target, told by its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fbsearch.costs import Cost, searchable_latency, tabulated
from fbsearch.errors import InvalidInputError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.recipe import latency_budget_us
from fbsearch.records.search import target_name
from fbsearch.search import Limit
from fbsearch.spaces import Space


def load_tables(paths: Sequence[Path]) -> list[LatencyTable]:
    """The tables of different targets.

    Raises:
        TableMismatchError: if two tables are of the same device and runtime.
        TableError: if one cannot be used.
    """
    tables = [LatencyTable.load(path) for path in paths]
    check_distinct(tables)
    return tables


def check_distinct(tables: Sequence[LatencyTable]) -> None:
    """Make sure that every table is of another device and runtime.

    Raises:
        TableMismatchError: if two are of the same.
    """
    sources: dict[str, str] = {}
    for table in tables:
        name = target_name(table.device, table.runtime)
        if name in sources:
            raise TableMismatchError(
                f"{table.source} and {sources[name]} are both of {name}: "
                "give one table per device and runtime"
            )
        sources[name] = table.source


def check_budgets_ms(budgets_ms: Sequence[float]) -> None:
    """Refuse what is no latency.

    Raises:
        InvalidInputError: naming it.
    """
    for budget_ms in budgets_ms:
        if not budget_ms > 0:
            raise InvalidInputError(f"--budget-ms must be a positive number of milliseconds, not {budget_ms}")


def table_limits(
    space: Space, tables: Sequence[LatencyTable], budgets: Sequence[float | str]
) -> tuple[Limit, ...]:
    """The latency budgets of targets that are known by their tables.

    Args:
        space: to be searched.
        tables: of each target.
        budgets: of each target, as a recipe says them.

    Raises:
        TableError: if a table is of another space or lacks an operator.
    """
    return tuple(
        target_limit(table, searchable_latency(space, table), budget)
        for table, budget in zip(tables, budgets, strict=True)
    )


def describe_sources(limits: Sequence[Limit]) -> str:
    """Where the targets' latencies come from, in words."""
    costs = [limit.cost for limit in limits if limit.target is not None]
    return "; ".join(dict.fromkeys(cost.label for cost in costs if cost.label))


def with_budget(limit: Limit, budget: float | str) -> Limit:
    """A target's limit at another budget, as a recipe says it."""
    return replace(limit, bound=budget_us(budget, limit.cost))


def target_limit(table: LatencyTable, latency: Cost, budget: float | str) -> Limit:
    """A target's latency budget.

    Args:
        table: of the target.
        latency: as the table tells it.
        budget: as a recipe says it.
    """
    return Limit(latency, budget_us(budget, latency), target=target_name(table.device, table.runtime))


def budget_us(budget: float | str, latency: Cost) -> float:
    """A latency budget in microseconds; one in per cent is of the range of ``latency``.

    Raises:
        SpaceError: if the range is not known, as in spaces whose decisions depend on one another.
    """
    return latency_budget_us(budget, lambda: tabulated(latency).range())
