"""One architecture for several devices: a table and a latency budget for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fbsearch.costs import latency_cost
from fbsearch.errors import InvalidInputError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.search import Limit
from fbsearch.spaces import LayerwiseSpace


def load_tables(paths: Sequence[Path], budgets_ms: Sequence[float]) -> list[LatencyTable]:
    """The tables, one for each budget.

    Raises:
        InvalidInputError: if they are not as many, or a budget is no latency.
        TableMismatchError: if two tables are of the same device and runtime.
        TableError: if one cannot be used.
    """
    if len(paths) != len(budgets_ms):
        raise InvalidInputError(
            f"{len(paths)} --table and {len(budgets_ms)} --budget-ms: give each device's table its own budget"
        )
    for budget_ms in budgets_ms:
        if not budget_ms > 0:
            raise InvalidInputError(f"--budget-ms must be a positive number of milliseconds, not {budget_ms}")
    tables: dict[str, LatencyTable] = {}
    for path in paths:
        table = LatencyTable.load(path)
        name = _name(table)
        if name in tables:
            raise TableMismatchError(
                f"{path} and {tables[name].source} are both of {name}: give one table per device and runtime"
            )
        tables[name] = table
    return list(tables.values())


def other_devices(
    space: LayerwiseSpace, tables: Sequence[LatencyTable], budgets_ms: Sequence[float]
) -> tuple[Limit, ...]:
    """The latency budgets of every device but the first.

    Raises:
        TableError: if a table is of another space or lacks an operator.
    """
    return tuple(
        Limit(replace(latency_cost(space, table), name=f"latency_us on {_name(table)}"), 1000 * budget_ms)
        for table, budget_ms in list(zip(tables, budgets_ms, strict=True))[1:]
    )


def _name(table: LatencyTable) -> str:
    return f"{table.device.name} ({table.runtime.identity})"
