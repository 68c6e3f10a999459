"""Whether exported models keep their budgets on every target, and which they break, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbsearch.errors import BudgetError
from fbsearch.pipeline.recipe import describe_broken
from fbsearch.records import Verification

Verifications = Mapping[int, Verification]
"""Of one architecture's models, by the numbers of the targets."""


def is_kept(verifications: Verifications) -> bool:
    """Whether the models keep all budgets, of latency on every target and of all else."""
    return all(one.keeps_budget is True and one.is_kept for one in verifications.values())


def describe_excess(verifications: Verifications) -> str:
    """The budgets that are broken; empty where all are kept."""
    is_alone = len(verifications) == 1
    late = [_lateness(one, is_alone) for one in verifications.values() if one.keeps_budget is False]
    broken = [describe_broken(one.budgets) for one in verifications.values()]
    return " and ".join(dict.fromkeys(filter(None, [*late, *broken])))


def _lateness(verification: Verification, is_alone: bool) -> str:
    where = "" if is_alone else f" on {verification.where}"
    if verification.budget_ms is None:
        return f"over the budget{where}"
    return f"over the budget{where} by {verification.measured_ms / verification.budget_ms - 1:.1%}"


def judge(tried: Sequence[Verifications]) -> None:
    """Make sure that the last of the models that a run has tried keep their budgets.

    Raises:
        BudgetError: telling what each of them took.
    """
    if is_kept(tried[-1]):
        return
    if all(len(one) == 1 and one[1].keeps_budget is False for one in tried):
        models = "the exported model takes" if len(tried) == 1 else f"all {len(tried)} exported models take"
        raise BudgetError(
            f"{models} {', '.join(f'{one[1].measured_ms:.4g}' for one in tried)} ms, over the budget of "
            f"{tried[-1][1].budget_ms:.4g} ms: raise confirm.margin, or quieten the device, and run again"
        )
    if len(tried) == 1:
        raise BudgetError(
            f"the exported model does not keep its budgets: {describe_excess(tried[0])}; raise them"
        )
    excesses = [f"model {number}: {describe_excess(one)}" for number, one in enumerate(tried, start=1)]
    raise BudgetError(
        f"none of {len(tried)} exported models keeps its budgets ({'; '.join(excesses)}): raise them, or "
        "confirm.margin for latencies, or confirm.exports"
    )
