"""What a search ends with: the distribution, the finalists, the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from fbsearch.spaces import LayerwiseSpace

OTHER_LATENCY = "latency_us on "
"""What the names of costs begin with that are latencies of other devices than the first."""


@dataclass(frozen=True)
class Finalist:
    """An architecture within the budget that the search ends with.

    Args:
        choices: candidate index per slot.
        predicted_us: the sum of its table entries.
        log_probability: sum over slots of log P.
        val_accuracy: with the supernet's weights, norms recalibrated.
        source: how it was found.
        measured_us: on the device as a whole network, where that was done.
        measured_elsewhere_us: on the other devices, in the order of their limits.
    """

    choices: tuple[int, ...]
    predicted_us: float
    log_probability: float
    val_accuracy: float
    source: Literal["most probable", "sampled"]
    measured_us: float | None = None
    measured_elsewhere_us: tuple[float, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """The end of a search.

    Args:
        space: what was searched.
        budget_us: the latency budget.
        range_us: the least and greatest latency in the space, as predicted.
        latencies_us: ``S x C``, NaN where a slot has no such candidate.
        probabilities: ``S x C``.
        finalists: best first.
        chosen: index of the finalist to train.
        collapse: a warning where the search gave up on most layers, or None.
        seconds: wall time.
        limits: the budgets beside the latency's.
    """

    space: LayerwiseSpace
    budget_us: float
    range_us: tuple[float, float]
    latencies_us: FloatArray
    probabilities: FloatArray
    finalists: tuple[Finalist, ...]
    chosen: int
    collapse: str | None
    seconds: float
    limits: tuple[Limit, ...] = ()

    def record(self) -> SearchRecord:
        """What is kept of it on disk."""
        others = [limit for limit in self.limits if limit.cost.name.startswith(OTHER_LATENCY)]
        counted = [limit for limit in self.limits if limit not in others]
        sizes = [len(slot.names) for slot in self.space.slots]
        latencies_us = [self.latencies_us[index, :size].tolist() for index, size in enumerate(sizes)]
        own = TargetRecord(
            name="",
            budget_us=self.budget_us,
            range_us=self.range_us,
            latencies_us=tuple(map(tuple, latencies_us)),
        )
        return SearchRecord(
            space=self.space.name,
            targets=(own, *map(_target, others)),
            budgets=tuple(
                BudgetRecord(cost=limit.cost.name, bound=limit.bound, range=limit.cost.range())
                for limit in counted
            ),
            slots=tuple(
                SlotRecord(
                    names=slot.names,
                    probabilities=tuple(np.clip(self.probabilities[index, : len(slot.names)], 0, 1).tolist()),
                )
                for index, slot in enumerate(self.space.slots)
            ),
            finalists=tuple(self._finalist(finalist, others, counted) for finalist in self.finalists),
            chosen=self.chosen,
            collapse=self.collapse,
            seconds=self.seconds,
        )

    def _finalist(self, finalist: Finalist, others: list[Limit], counted: list[Limit]) -> FinalistRecord:
        own = LatencyRecord(target="", predicted_us=finalist.predicted_us, measured_us=finalist.measured_us)
        measured = [*finalist.measured_elsewhere_us, *([None] * len(others))]
        elsewhere = [
            LatencyRecord(
                target=limit.cost.name.removeprefix(OTHER_LATENCY),
                predicted_us=limit.cost.of(finalist.choices),
                measured_us=measured_us,
            )
            for limit, measured_us in zip(others, measured, strict=False)
        ]
        return FinalistRecord(
            choices=finalist.choices,
            names=tuple(self.space.choice_names(finalist.choices)),
            latencies=(own, *elsewhere),
            val_accuracy=finalist.val_accuracy,
            log_probability=finalist.log_probability,
            source=finalist.source,
            costs={limit.cost.name: limit.cost.of(finalist.choices) for limit in counted},
        )


def _target(limit: Limit) -> TargetRecord:
    name = limit.cost.name.removeprefix(OTHER_LATENCY)
    return TargetRecord(name=name, budget_us=limit.bound, range_us=limit.cost.range())


def describe_collapse(space: LayerwiseSpace, probabilities: FloatArray) -> str | None:
    """A warning if the most probable architecture skips nearly every layer that it may skip.

    A known failure of differentiable search: parameter-free candidates win because they need no
    training, whatever the budget. The tolerated share is 80 % of the layers that offer the identity.
    """
    optional = [
        index for index, slot in enumerate(space.slots) if any(op.is_identity for op in slot.candidates)
    ]
    best = np.argmax(probabilities, axis=1)
    skipped = [index for index in optional if space.slots[index].candidates[best[index]].is_identity]
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
