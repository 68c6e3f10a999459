"""Several budgets and devices in rows: the most allowed, what the model takes, and whether it keeps that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fbsearch.records import BudgetCheck, Verification
from fbsearch.reports.formatting import format_bytes, format_count, format_ms, format_number
from fbsearch.reports.run_folder import RunFolder, TargetFiles

_NAMES: dict[str, tuple[str, Callable[[float], str]]] = {
    "num_params": ("Parameters", format_count),
    "num_macs": ("Multiply-adds", format_count),
    "num_layers": ("Layers", format_count),
    "peak_bytes": ("Peak memory", format_bytes),
    "file_bytes": ("File size", format_bytes),
}


def budget_name(cost: str) -> str:
    """What a budget's cost is called in words, within a sentence."""
    return _NAMES[cost][0].lower() if cost in _NAMES else cost


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


def budget_rows(verifications: Sequence[Verification]) -> tuple[BudgetRow, ...]:
    """The budgets of models: of latency, where there is but one device, and all others; empty without others.

    Of what devices' models take, such as the sizes of their files, the most counts.
    """
    checks: dict[str, BudgetCheck] = {}
    for check in (check for one in verifications for check in one.budgets):
        if check.cost not in checks or check.value > checks[check.cost].value:
            checks[check.cost] = check
    if not checks:
        return ()
    latency = _latency_rows(verifications[0]) if len(verifications) == 1 else ()
    return (*latency, *map(_budget_row, checks.values()))


def _latency_rows(verification: Verification) -> tuple[BudgetRow, ...]:
    if verification.budget_ms is None:
        return ()
    measured, bound = 1000 * verification.measured_ms, 1000 * verification.budget_ms
    is_kept = measured <= bound and verification.keeps_budget is not False
    return (BudgetRow("Latency", format_ms(bound), format_ms(measured), "measured", is_kept),)


def _budget_row(check: BudgetCheck) -> BudgetRow:
    name, write = _NAMES.get(check.cost, (check.cost, format_number))
    return BudgetRow(name, write(check.bound), write(check.value), check.source, check.is_kept)


@dataclass(frozen=True)
class DeviceRow:
    """What the model takes on one of several devices.

    Args:
        device: its processor or phone.
        how: runtime, threads and precision.
        budget: the most allowed there.
        predicted: by the device's table.
        measured: on the device.
        is_kept: whether measured is at most the budget; None where it was not measured.
    """

    device: str
    how: str
    budget: str
    predicted: str
    measured: str
    is_kept: bool | None


def device_rows(run: RunFolder) -> tuple[DeviceRow, ...]:
    """The devices of a run for several; empty of a run for one."""
    if len(run.targets) == 1:
        return ()
    return tuple(
        _predicted_row(target) if target.verification is None else _measured_row(target, target.verification)
        for target in run.targets
    )


def _predicted_row(target: TargetFiles) -> DeviceRow:
    budget, predicted = format_ms(target.budget_us), format_ms(target.predicted_us)
    return DeviceRow(target.name, "", budget, predicted, measured="", is_kept=None)


def _measured_row(target: TargetFiles, verification: Verification) -> DeviceRow:
    return DeviceRow(
        device=verification.device or target.name,
        how=verification.how,
        budget=_ms(verification.budget_ms),
        predicted=_ms(verification.predicted_ms),
        measured=_ms(verification.measured_ms),
        is_kept=verification.keeps_budget is not False,
    )


def _ms(value_ms: float | None) -> str:
    return "" if value_ms is None else format_ms(1000 * value_ms)
