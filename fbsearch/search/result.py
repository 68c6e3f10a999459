"""What a search ends with: the finalists, the chosen one, and the distribution where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fbsearch.costs import Cost, FloatArray, range_of, tabulated
from fbsearch.records import (
    BudgetRecord,
    FinalistRecord,
    ScoredRecord,
    SearchRecord,
    SlotRecord,
    TargetRecord,
)
from fbsearch.search.estimation import estimation_record, latency_records
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.spaces import Code, Decision, FactoredSpace, Space, code_names


@dataclass(frozen=True)
class Scored:
    """A structure that was scored rather than trained.

    Args:
        code: of the structure.
        scores: by proxy.
        costs: by the limits' names.
        is_dominated: whether another one of the population beats it.
    """

    code: Code
    scores: Mapping[str, float]
    costs: Mapping[str, float]
    is_dominated: bool


@dataclass(frozen=True)
class SearchResult:
    """The end of a search.

    Args:
        space: what was searched.
        method: that searched.
        limits: all budgets, with the costs as they are known at the end.
        finalists: best first.
        chosen: index of the finalist to train.
        seconds: wall time of this try.
        probabilities: ``S x C``; None where the method has no distribution.
        collapse: a warning where the search gave up on most layers, or None.
        undecided: a warning where its probabilities stayed as even as they began, or None.
        scored: the last population of a search by scores.
        notice: what is to be said of the method wherever its result is shown, or None.
        rough_zen: a warning where the loss had a Zen term in a space that is no chain, or None.
    """

    space: Space
    method: str
    limits: tuple[Limit, ...]
    finalists: tuple[Finalist, ...]
    chosen: int
    seconds: float
    probabilities: FloatArray | None = None
    collapse: str | None = None
    undecided: str | None = None
    scored: tuple[Scored, ...] = ()
    notice: str | None = None
    rough_zen: str | None = None

    @property
    def winner(self) -> Finalist:
        """The finalist to train."""
        return self.finalists[self.chosen]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person has to know before believing it."""
        return tuple(warning for warning in (self.collapse, self.undecided, self.rough_zen) if warning)

    def record(self) -> SearchRecord:
        """What is kept of it on disk."""
        return SearchRecord(
            space=self.space.name,
            method=self.method,
            targets=tuple(
                TargetRecord(
                    name=limit.target,
                    budget_us=limit.bound,
                    range_us=range_of(limit.cost),
                    latencies_us=self._coefficients(limit.cost),
                    estimation=estimation_record(limit),
                )
                for limit in self.limits
                if limit.target is not None
            ),
            budgets=tuple(
                BudgetRecord(cost=limit.cost.name, bound=limit.bound, range=range_of(limit.cost))
                for limit in self._counted
            ),
            slots=self._slots(),
            finalists=tuple(map(self._finalist, self.finalists)),
            chosen=self.chosen,
            collapse=self.collapse,
            undecided=self.undecided,
            rough_zen=self.rough_zen,
            seconds=self.seconds,
            notice=self.notice,
            scored=tuple(
                ScoredRecord(
                    choices=one.code, scores=one.scores, costs=one.costs, is_dominated=one.is_dominated
                )
                for one in self.scored
            ),
        )

    @property
    def _counted(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.target is None)

    def _coefficients(self, cost: Cost) -> tuple[tuple[float, ...], ...]:
        """Of each slot's candidates; none where there are no slots."""
        return () if self.probabilities is None else self._by_slot(tabulated(cost).coefficients)

    def _slots(self) -> tuple[SlotRecord, ...]:
        """The decisions with their probabilities; none where the method has no distribution over them."""
        if self.probabilities is None:
            return ()
        rows = self._by_slot(self.probabilities.clip(0, 1))
        return tuple(
            SlotRecord(names=slot.names, probabilities=probabilities)
            for slot, probabilities in zip(self._decisions, rows, strict=True)
        )

    @property
    def _decisions(self) -> tuple[Decision, ...]:
        return self.space.decisions if isinstance(self.space, FactoredSpace) else ()

    def _by_slot(self, values: FloatArray) -> tuple[tuple[float, ...], ...]:
        """``S x C`` to the rows of each slot's own candidates."""
        return tuple(
            tuple(row[: len(slot.names)].tolist()) for row, slot in zip(values, self._decisions, strict=True)
        )

    def _finalist(self, finalist: Finalist) -> FinalistRecord:
        return FinalistRecord(
            choices=finalist.code,
            names=code_names(self.space, finalist.code),
            latencies=latency_records(self.limits, finalist),
            val_accuracy=finalist.val_accuracy,
            log_probability=finalist.log_probability,
            source=finalist.source,
            score=finalist.score,
            costs={limit.cost.name: limit.cost.of(finalist.code) for limit in self._counted},
        )
