"""What a search ends with: the distribution, the finalists, the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fbsearch.costs import FloatArray
from fbsearch.search.selection import Limit
from fbsearch.spaces import FactoredSpace


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

    space: FactoredSpace
    budget_us: float
    range_us: tuple[float, float]
    latencies_us: FloatArray
    probabilities: FloatArray
    finalists: tuple[Finalist, ...]
    chosen: int
    collapse: str | None
    seconds: float
    limits: tuple[Limit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "space": self.space.name,
            "budget_us": self.budget_us,
            "range_us": list(self.range_us),
            "budgets": [
                {"cost": limit.cost.name, "bound": limit.bound, "range": list(limit.cost.range())}
                for limit in self.limits
            ],
            "slots": [
                {
                    "names": list(slot.names),
                    "latencies_us": self.latencies_us[index, : len(slot.names)].tolist(),
                    "probabilities": self.probabilities[index, : len(slot.names)].tolist(),
                }
                for index, slot in enumerate(self.space.decisions)
            ],
            "finalists": [self._finalist(finalist) for finalist in self.finalists],
            "chosen": self.chosen,
            "collapse": self.collapse,
            "seconds": self.seconds,
        }

    def _finalist(self, finalist: Finalist) -> Mapping[str, Any]:
        names = [limit.cost.name for limit in self.limits]
        return {
            "choices": list(finalist.choices),
            "names": list(self.space.choice_names(finalist.choices)),
            "predicted_us": finalist.predicted_us,
            "measured_us": finalist.measured_us,
            "val_accuracy": finalist.val_accuracy,
            "log_probability": finalist.log_probability,
            "measured_elsewhere_us": dict(zip(names, finalist.measured_elsewhere_us, strict=False)),
            "source": finalist.source,
            "costs": {limit.cost.name: limit.cost.of(finalist.choices) for limit in self.limits},
        }


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
