"""One architecture for several devices: a table and a latency budget for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fbsearch.costs import AdditiveCost, latency_cost
from fbsearch.errors import InvalidInputError, TableMismatchError
from fbsearch.latency import LatencyTable
from fbsearch.search import Limit
from fbsearch.search.result import OTHER_LATENCY
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
        name = _name(table)
        if name in sources:
            raise TableMismatchError(
                f"{table.source} and {sources[name]} are both of {name}: "
                "give one table per device and runtime"
            )
        sources[name] = table.source


def other_devices(
    space: LayerwiseSpace, tables: Sequence[LatencyTable], budgets_ms: Sequence[float]
) -> tuple[Limit, ...]:
    """The latency budgets of every device but the first.

    Raises:
        TableError: if a table is of another space or lacks an operator.
    """
    return tuple(
        Limit(named_by_device(latency_cost(space, table), table), 1000 * budget_ms)
        for table, budget_ms in list(zip(tables, budgets_ms, strict=True))[1:]
    )


def named_by_device(latency: AdditiveCost, table: LatencyTable) -> AdditiveCost:
    """The latency of a device that is not the first, under a name of its own."""
    return replace(latency, name=f"{OTHER_LATENCY}{_name(table)}")


def device_of(cost_name: str) -> str:
    """ " on " and the device of a latency's name; nothing for the first device's.

    >>> device_of("latency_us on tablet (tflite, 2 threads, fp32)")
    ' on tablet (tflite, 2 threads, fp32)'
    """
    return cost_name.removeprefix("latency_us")


def _name(table: LatencyTable) -> str:
    return f"{table.device.name} ({table.runtime.identity})"
