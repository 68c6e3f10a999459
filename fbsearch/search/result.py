"""What a search ends with: the distribution, the finalists, the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fbsearch.costs import FloatArray
from fbsearch.records import (
    BudgetRecord,
    FinalistRecord,
    LatencyRecord,
    SearchRecord,
    SlotRecord,
    TargetRecord,
)
from fbsearch.search.selection import Limit
from fbsearch.spaces import FactoredSpace


@dataclass(frozen=True)
class Finalist:
    """An architecture within the budgets that the search ends with.

    Args:
        choices: candidate index per slot.
        predicted_us: the sum of its table entries, by target.
        log_probability: sum over slots of log P.
        val_accuracy: with the supernet's weights, norms recalibrated.
        source: how it was found.
        measured_us: on targets as a whole network, where that was done.
    """

    choices: tuple[int, ...]
    predicted_us: Mapping[str, float]
    log_probability: float
    val_accuracy: float
    source: Literal["most probable", "sampled"]
    measured_us: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """The end of a search.

    Args:
        space: what was searched.
        limits: all budgets, with the costs as they are known at the end.
        probabilities: ``S x C``.
        finalists: best first.
        chosen: index of the finalist to train.
        collapse: a warning where the search gave up on most layers, or None.
        seconds: wall time.
    """

    space: FactoredSpace
    limits: tuple[Limit, ...]
    probabilities: FloatArray
    finalists: tuple[Finalist, ...]
    chosen: int
    collapse: str | None
    seconds: float

    @property
    def winner(self) -> Finalist:
        """The finalist to train."""
        return self.finalists[self.chosen]

    def record(self) -> SearchRecord:
        """What is kept of it on disk."""
        return SearchRecord(
            space=self.space.name,
            targets=tuple(
                TargetRecord(
                    name=limit.target,
                    budget_us=limit.bound,
                    range_us=limit.cost.range(),
                    latencies_us=self._by_slot(limit.cost.coefficients),
                )
                for limit in self.limits
                if limit.target is not None
            ),
            budgets=tuple(
                BudgetRecord(cost=limit.cost.name, bound=limit.bound, range=limit.cost.range())
                for limit in self._counted
            ),
            slots=tuple(
                SlotRecord(names=slot.names, probabilities=probabilities)
                for slot, probabilities in zip(
                    self.space.decisions, self._by_slot(self.probabilities.clip(0, 1)), strict=True
                )
            ),
            finalists=tuple(map(self._finalist, self.finalists)),
            chosen=self.chosen,
            collapse=self.collapse,
            seconds=self.seconds,
        )

    @property
    def _counted(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.target is None)

    def _by_slot(self, values: FloatArray) -> tuple[tuple[float, ...], ...]:
        """``S x C`` to the rows of each slot's own candidates."""
        return tuple(
            tuple(row[: len(slot.names)].tolist())
            for row, slot in zip(values, self.space.decisions, strict=True)
        )

    def _finalist(self, finalist: Finalist) -> FinalistRecord:
        return FinalistRecord(
            choices=finalist.choices,
            names=tuple(self.space.choice_names(finalist.choices)),
            latencies=tuple(
                LatencyRecord(
                    target=target, predicted_us=predicted_us, measured_us=finalist.measured_us.get(target)
                )
                for target, predicted_us in finalist.predicted_us.items()
            ),
            val_accuracy=finalist.val_accuracy,
            log_probability=finalist.log_probability,
            source=finalist.source,
            costs={limit.cost.name: limit.cost.of(finalist.choices) for limit in self._counted},
        )


def describe_collapse(space: FactoredSpace, probabilities: FloatArray) -> str | None:
    """A warning if the most probable architecture skips nearly every layer that it may skip.

    A known failure of differentiable search: parameter-free candidates win because they need no
    training, whatever the budget. The tolerated share is 80 % of the layers that offer the identity.
    """
    optional = [index for index, one in enumerate(space.decisions) if any(c.is_free for c in one.candidates)]
    best = np.argmax(probabilities, axis=1)
    skipped = [index for index in optional if space.decisions[index].candidates[best[index]].is_free]
    if len(optional) < 2 or len(skipped) <= 0.8 * len(optional):
        return None
    return (
        f"the search collapsed: its most probable architecture skips {len(skipped)} of the "
        f"{len(optional)} layers that can be skipped; "
        "search longer, lengthen search.warmup_epochs, or raise the budget"
    )


def log_probability(log_probabilities: FloatArray, choices: Sequence[int]) -> float:
    """sum_l log P_{l, a_l}."""
    return float(sum(row[i] for row, i in zip(log_probabilities, choices, strict=True)))
