"""Exact selection: the most probable architecture within budgets, as an integer programme.

max_a sum_l log P_{l, a_l} subject to C_k(a) <= B_k: with additive costs a multiple-choice knapsack,
solved to optimality by HiGHS through scipy. A peak cost only forbids candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from fbsearch.costs import AdditiveCost, Cost, FloatArray, PeakCost, range_of, tabulated
from fbsearch.errors import BudgetError
from fbsearch.search.limit import Limit

# HiGHS accepts rows violated by up to 1e-7 (of a row scaled to 1 here). Bounds are widened by more than that,
# so that no architecture exactly at a bound is lost; what is then over a bound is cut off one by one.
_TOLERANCE = 1e-6

_NONE_LEFT = "no architecture of the space keeps all budgets at once: raise one of them"


def check_feasible(limits: Sequence[Limit]) -> None:
    """Refuse bounds that no architecture keeps, alone or together.

    Of costs that only single architectures can be asked for, nothing is known beforehand.

    Raises:
        BudgetError: naming the range that the space offers, or that the other bounds leave.
    """
    limits = [limit for limit in limits if range_of(limit.cost) is not None]
    _check_each(limits)
    if len(limits) < 2:
        return
    try:
        most_probable(_no_scores(limits[0].cost), limits)
    except BudgetError:
        raise BudgetError(_describe_conflict(limits)) from None


def least_within(cost: Cost, limits: Sequence[Limit]) -> float:
    """The least that ``cost`` can be within ``limits``.

    Raises:
        BudgetError: if no architecture keeps them.
    """
    if isinstance(cost, AdditiveCost):
        return cost.of(most_probable(-cost.coefficients, limits))
    choices = most_probable(_no_scores(cost), limits)
    while True:  # each step is down to a smaller one of the candidates' costs
        least = cost.of(choices)
        try:
            choices = most_probable(_no_scores(cost), [*limits, Limit(cost, np.nextafter(least, -np.inf))])
        except BudgetError:
            return least


def _no_scores(cost: Cost) -> FloatArray:
    """``S x C``: 0, and NaN where a slot has no such candidate."""
    return 0.0 * tabulated(cost).coefficients


def _describe_conflict(limits: Sequence[Limit]) -> str:
    parts = []
    for index, limit in enumerate(limits):
        try:
            least = least_within(limit.cost, [*limits[:index], *limits[index + 1 :]])
        except BudgetError:
            continue  # the others exclude one another already
        parts.append(f"{limit.name} is at least {least:.6g} (its budget is {limit.bound:.6g})")
    if not parts:
        return _NONE_LEFT
    return (
        "no architecture of the space keeps all budgets at once; "
        f"within the others, {' and '.join(parts)}: raise one of them"
    )


def _check_each(limits: Iterable[Limit]) -> None:
    for limit in limits:
        least, greatest = tabulated(limit.cost).range()
        if not limit.bound >= least:
            raise BudgetError(
                f"a budget of {limit.bound:.6g} on {limit.name} is below the cheapest architecture; "
                f"this space offers {least:.6g} to {greatest:.6g}: raise the budget or widen the space"
            )


def most_probable(
    scores: FloatArray,
    limits: Sequence[Limit] = (),
    *,
    excluded: Iterable[Sequence[int]] = (),
    use: float = 0.0,
) -> tuple[int, ...]:
    """argmax_a sum_l scores[l, a_l] within ``limits``.

    Args:
        scores: ``S x C``, finite, or -inf/NaN where a slot has no such candidate.
        limits: all must hold, exactly: a result that violates one by rounding is never returned.
        excluded: architectures that may not be returned.
        use: share of its bound that at least one additive cost must reach; 0 for any.

    Raises:
        BudgetError: if no architecture is left.
    """
    _check_each(limits)
    rejected = [tuple(choices) for choices in excluded]
    found = []
    for variant in _using(limits, use):
        with suppress(BudgetError):
            found.append(_most_probable(scores, variant, rejected))
    if not found:
        raise BudgetError(_NONE_LEFT)
    slots = np.arange(len(scores))
    return max(found, key=lambda choices: float(scores[slots, choices].sum()))


def _using(limits: Sequence[Limit], use: float) -> list[Sequence[Limit]]:
    """One set of limits per additive cost, which has a floor there: together, all that use one of them."""
    if not use:
        return [limits]
    sets: list[Sequence[Limit]] = [
        [*limits[:index], replace(limit, floor=use * limit.bound), *limits[index + 1 :]]
        for index, limit in enumerate(limits)
        if isinstance(limit.cost, AdditiveCost)
    ]
    return sets or [limits]


def _most_probable(
    scores: FloatArray, limits: Sequence[Limit], rejected: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    allowed = np.isfinite(scores)
    for limit in limits:
        if isinstance(limit.cost, PeakCost):
            allowed &= np.nan_to_num(limit.cost.coefficients, nan=np.inf) <= limit.bound
    if not allowed.any(axis=1).all():
        raise BudgetError(_NONE_LEFT)
    additive = [limit for limit in limits if isinstance(limit.cost, AdditiveCost)]
    unlimited = tuple(int(i) for i in np.where(allowed, scores, -np.inf).argmax(axis=1))
    if unlimited not in rejected and all(limit.admits(unlimited) for limit in limits):
        return unlimited
    return _solve(scores, allowed, additive, rejected)


def sample_within(
    log_probabilities: FloatArray,
    limits: Sequence[Limit],
    *,
    count: int,
    rng: np.random.Generator,
    excluded: Iterable[Sequence[int]] = (),
    use: float = 0.0,
) -> list[tuple[int, ...]]:
    """Up to ``count`` distinct architectures within ``limits``, drawn by perturb-and-MAP.

    Each is the most probable one under Gumbel-perturbed log-probabilities: without a limit this samples P
    exactly (the Gumbel-max trick); with limits every draw keeps them, however unlikely that is under P.
    ``use`` is that of :func:`most_probable`.
    """
    found: list[tuple[int, ...]] = []
    seen = {tuple(choices) for choices in excluded}
    for _ in range(4 * count):
        if len(found) == count:
            break
        noise = rng.gumbel(size=log_probabilities.shape)
        choices = most_probable(log_probabilities + noise, limits, use=use)
        if choices not in seen:
            seen.add(choices)
            found.append(choices)
    return found


def _solve(
    scores: FloatArray,
    allowed: NDArray[np.bool_],
    limits: Sequence[Limit],
    excluded: Sequence[tuple[int, ...]],
) -> tuple[int, ...]:
    slots, candidates = np.nonzero(allowed)
    num_slots = len(scores)
    one_per_slot = csr_array(
        (np.ones(len(slots)), (slots, np.arange(len(slots)))), shape=(num_slots, len(slots))
    )
    constraints = [LinearConstraint(one_per_slot, 1.0, 1.0)]
    for limit in limits:
        assert isinstance(limit.cost, AdditiveCost)
        scale = max(abs(limit.bound), np.finfo(float).tiny)
        row = limit.cost.coefficients[slots, candidates] / scale
        # Widened, see above: admits() has the last word.
        least = (limit.floor - limit.cost.fixed) / scale - _TOLERANCE
        most = (limit.bound - limit.cost.fixed) / scale + _TOLERANCE
        constraints.append(LinearConstraint(row, least, most))
    rejected = list(excluded)
    while True:
        # Each rejected architecture is cut off: at most S - 1 of its choices may be taken together.
        cuts = [
            LinearConstraint((np.asarray(choices)[slots] == candidates).astype(float), -np.inf, num_slots - 1)
            for choices in rejected
        ]
        result = milp(
            -scores[slots, candidates],
            constraints=[*constraints, *cuts],
            integrality=np.ones(len(slots)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None:
            raise BudgetError(_NONE_LEFT)
        chosen = np.flatnonzero(result.x > 0.5)
        choices = tuple(int(i) for i in candidates[chosen][np.argsort(slots[chosen])])
        if all(limit.admits(choices) for limit in limits):
            return choices
        rejected.append(choices)  # over a bound by less than the tolerance: refused, and the next best taken
