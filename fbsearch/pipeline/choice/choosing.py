"""The choice among finalists by what they take on every target, measured as whole networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fbsearch.architecture import Architecture
from fbsearch.costs import Cost
from fbsearch.devices import Measurement
from fbsearch.errors import BudgetError
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.search import Finalist, Limit, Searched, SearchResult

MeasureWhole = Callable[[Sequence[Architecture]], Sequence[Measurement]]
"""Whole networks to their measurements on the device."""

Recalibrate = Callable[[Mapping[Architecture, Measurement]], Cost]
"""Networks measured by a search to the latency as it looks with them."""

GrowTable = Callable[[Sequence[Architecture]], Cost]
"""Networks to the latency as it looks once all their operators are measured, too."""


@dataclass(frozen=True)
class FinalistMeter:
    """Measures finalists on a target.

    Args:
        measure: whole networks there.
        recalibrate: learns from the measured finalists; None where the latencies are plain sums.
        exported: what models took that were exported before and broke a budget, of this target or not.
        grow: measures what the table lacks of finalists; None where it lacks nothing.
    """

    measure: MeasureWhole
    recalibrate: Recalibrate | None = None
    exported: Mapping[Architecture, Measurement] = field(default_factory=dict)
    grow: GrowTable | None = None


def choose_measured(
    searched: Searched,
    limits: Sequence[Limit],
    *,
    meters: Mapping[str, FinalistMeter],
    settings: ConfirmSettings,
) -> SearchResult:
    """Choose among the finalists whose latencies, measured as whole networks, keep every target's budget.

    Every measurement joins its target's calibration. Where no finalist keeps the budgets, those that are over
    one are put aside, and the next best by what is now known are proposed; plain sums, which learn nothing,
    are bounded by as much less as the fastest of the finalists was over.

    Args:
        searched: proposes and ranks.
        limits: all budgets.
        meters: of the targets, by their names; those of all limits on latencies.
        settings: how many times to propose, and the margin.

    Raises:
        BudgetError: if none is found; the message says what was measured.
    """
    budgets = {
        limit.target: _MeasuredBudget(limit, meters[limit.target], margin=settings.margin)
        for limit in limits
        if limit.target is not None
    }
    # Exported, and over a budget then: whatever they take when measured again.
    refused = {one for budget in budgets.values() for one in budget.known}
    for budget in budgets.values():
        budget.learn(refused)
    for _ in range(settings.attempts):
        proposing = _as_of_now(limits, budgets)
        over = refused.union(*(budget.over for budget in budgets.values()))
        try:
            proposed = searched.finalists(proposing, excluded=over)
        except BudgetError:
            if not any(budget.over for budget in budgets.values()):
                raise
            break  # nothing is left within the bounds
        finalists = _measured(proposed, budgets)
        predicting = _as_of_now(limits, budgets)  # by operators alone, all of which are measured now
        for budget in budgets.values():
            budget.learn(finalist.architecture for finalist in finalists)
        keeping = [
            one for one in finalists if all(budget.keeps(one.architecture) for budget in budgets.values())
        ]
        if keeping:
            chosen = finalists.index(keeping[searched.choose(keeping)])
            given = [
                replace(limit, bound=before.bound) for limit, before in zip(predicting, limits, strict=True)
            ]
            return searched.result(given, finalists, chosen=chosen)
    known = {one for budget in budgets.values() for one in budget.known}
    summaries = [budget.describe(is_alone=len(budgets) == 1) for budget in budgets.values()]
    raise BudgetError(
        f"none of {len(known)} finalists keeps {' and '.join(summaries)} when measured as a whole: "
        "raise the budget or confirm.attempts, or measure on a quieter device"
    )


class _MeasuredBudget:
    """A target's latency budget in the course of a choice.

    Args:
        limit: as it was given, on the latency as predicted.
        meter: of the target.
        margin: share of the budget that is kept free.
    """

    def __init__(self, limit: Limit, meter: FinalistMeter, *, margin: float) -> None:
        self.limit = limit
        self.known = dict(meter.exported)
        self._given = limit
        self._meter = meter
        self._allowed_us = limit.bound * (1 - margin)

    @property
    def over(self) -> set[Architecture]:
        """The networks that take longer than is allowed."""
        return {one for one in self.known if not self.keeps(one)}

    def describe(self, *, is_alone: bool) -> str:
        """What was measured, in words; the target is named where there are others."""
        fastest_us = min(one.latency_us for one in self.known.values())
        where = "" if is_alone else f" on {self._given.target}"
        return (
            f"{self._given.bound / 1000:.4g} ms{where} (the fastest took "
            f"{fastest_us / 1000:.4g} ms; confirm.margin asks for {self._allowed_us / 1000:.4g} ms)"
        )

    def keeps(self, architecture: Architecture) -> bool:
        """Whether a network, as measured, takes no longer than is allowed."""
        return self.known[architecture].latency_us <= self._allowed_us

    def predicted(self, finalists: Sequence[Finalist]) -> Sequence[Finalist]:
        """The finalists as predicted from their operators once all these are measured."""
        if self._meter.grow is None:
            return finalists
        cost = self._meter.grow([one.architecture for one in finalists])
        self.limit, target = replace(self.limit, cost=cost), str(self.limit.target)
        return [
            replace(one, predicted_us={**one.predicted_us, target: cost.of(one.code)}) for one in finalists
        ]

    def measure(self, finalists: Iterable[Finalist]) -> None:
        """Measure those that are new."""
        new = [one.architecture for one in finalists if one.architecture not in self.known]
        if new:
            self.known.update(zip(new, self._meter.measure(new), strict=True))

    def learn(self, measured: Iterable[Architecture]) -> None:
        """Set the latency and the bound of the next finalists by what is now known.

        Args:
            measured: the networks that have become known.
        """
        latencies_us = [self.known[architecture].latency_us for architecture in measured]
        if not latencies_us:
            return
        if self._meter.recalibrate is not None:
            cost = self._meter.recalibrate(self.known)
            self.limit = replace(self.limit, cost=cost, bound=self._allowed_us)
        else:
            share = min(1.0, self._allowed_us / min(latencies_us))
            self.limit = replace(self.limit, bound=self.limit.bound * share)


def _as_of_now(limits: Sequence[Limit], budgets: Mapping[str, _MeasuredBudget]) -> list[Limit]:
    """The limits with the latencies and bounds of the targets as they look now."""
    return [limit if limit.target is None else budgets[limit.target].limit for limit in limits]


def _measured(finalists: Sequence[Finalist], budgets: Mapping[str, _MeasuredBudget]) -> list[Finalist]:
    """The finalists with what they take on every target."""
    for budget in budgets.values():
        finalists = budget.predicted(finalists)
        budget.measure(finalists)
    return [
        replace(
            finalist,
            measured_us={
                target: budget.known[finalist.architecture].latency_us for target, budget in budgets.items()
            },
        )
        for finalist in finalists
    ]
