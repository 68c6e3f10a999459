"""Several budgets and devices in rows: the most allowed, what the model takes, and whether it keeps that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fbsearch.reports.formatting import format_bytes, format_count, format_ms
from fbsearch.reports.records import Verification
from fbsearch.reports.run_folder import RunFolder

_NAMES: dict[str, tuple[str, Callable[[float], str]]] = {
    "num_params": ("Parameters", format_count),
    "num_macs": ("Multiply-adds", format_count),
    "peak_bytes": ("Peak memory", format_bytes),
    "file_bytes": ("File size", format_bytes),
}


@dataclass(frozen=True)
class BudgetRow:
    """One budget.

    Args:
        name: of the quantity.
        bound: the most allowed.
        value: what the model takes.
        source: how that is known.
        is_kept: whether it is at most the bound.
    """

    name: str
    bound: str
    value: str
    source: str
    is_kept: bool


def budget_rows(verification: Verification | None) -> tuple[BudgetRow, ...]:
    """The latency's budget and the others; empty where there are no others."""
    if verification is None or not verification.budgets:
        return ()
    rows = []
    if verification.budget_ms is not None:
        measured, bound = 1000 * verification.measured_ms, 1000 * verification.budget_ms
        is_kept = measured <= bound and verification.keeps_budget is not False
        rows.append(BudgetRow("Latency", format_ms(bound), format_ms(measured), "measured", is_kept))
    for one in verification.budgets:
        name, write = _NAMES.get(one.cost, (one.cost.replace("latency_us", "Latency"), format_ms))
        rows.append(BudgetRow(name, write(one.bound), write(one.value), one.source, one.is_kept))
    return tuple(rows)


@dataclass(frozen=True)
class DeviceRow:
    """What the model takes on one of several devices.

    Args:
        device: its processor or phone.
        how: runtime, threads and precision.
        budget: the most allowed there.
        predicted: by the device's table.
        measured: on the device.
        is_kept: whether measured is at most the budget.
    """

    device: str
    how: str
    budget: str
    predicted: str
    measured: str
    is_kept: bool


def device_rows(run: RunFolder) -> tuple[DeviceRow, ...]:
    """The devices of a run for several; empty of a run for one."""
    if run.verification is None or not run.verified_elsewhere:
        return ()
    return tuple(map(_device_row, (run.verification, *run.verified_elsewhere)))


def _device_row(verification: Verification) -> DeviceRow:
    count = verification.threads
    threads = None if count is None else f"{count} thread{'' if count == 1 else 's'}"
    return DeviceRow(
        device=verification.device or "",
        how=", ".join(filter(None, (verification.runtime, threads, verification.precision))),
        budget=_ms(verification.budget_ms),
        predicted=_ms(verification.predicted_ms),
        measured=_ms(verification.measured_ms),
        is_kept=verification.keeps_budget is not False,
    )


def _ms(value_ms: float | None) -> str:
    return "" if value_ms is None else format_ms(1000 * value_ms)
