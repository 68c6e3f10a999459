"""Whether exported models keep their budgets, and which they break, in words."""

from __future__ import annotations

from collections.abc import Sequence

from fbsearch.errors import BudgetError
from fbsearch.pipeline.budgets import describe_broken
from fbsearch.pipeline.verifying import Verification


def is_kept(verification: Verification) -> bool:
    """Whether a model keeps its latency budget and all others, those of other devices among them."""
    return verification.keeps_budget is True and not describe_broken(verification.budgets)


def describe_excess(verification: Verification) -> str:
    """The budgets that a model breaks; empty where it keeps all."""
    parts = []
    if verification.keeps_budget is False and verification.budget_ms is not None:
        parts.append(f"over the budget by {verification.measured_ms / verification.budget_ms - 1:.1%}")
    broken = describe_broken(verification.budgets)
    return " and ".join([*parts, broken] if broken else parts)


def judge(tried: Sequence[Verification]) -> None:
    """Make sure that the last of the models that a run has tried keeps its budgets.

    Raises:
        BudgetError: telling what each of them took.
    """
    if is_kept(tried[-1]):
        return
    if all(one.keeps_budget is False for one in tried):
        models = "the exported model takes" if len(tried) == 1 else f"all {len(tried)} exported models take"
        raise BudgetError(
            f"{models} {', '.join(f'{one.measured_ms:.4g}' for one in tried)} ms, over the budget of "
            f"{tried[-1].budget_ms:.4g} ms: raise confirm.margin, or quieten the device, and run again"
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
