"""A budget: bounds on a cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbsearch.costs import Cost


@dataclass(frozen=True)
class Limit:
    """Bounds on a cost, in the cost's own unit.

    Args:
        cost: what is bounded.
        bound: the most allowed.
        floor: the least allowed; of additive costs only.
        target: name of the device whose latency it is; None for what is counted.
    """

    cost: Cost
    bound: float
    floor: float = -np.inf
    target: str | None = None

    @property
    def name(self) -> str:
        """Of the cost, and of the device where there is one."""
        return self.cost.name if self.target is None else f"{self.cost.name} on {self.target}"

    def admits(self, code: Sequence[int]) -> bool:
        """Whether the architecture at ``code`` keeps the bounds."""
        return self.floor <= self.cost.of(code) <= self.bound


def predict_us(limits: Sequence[Limit], code: Sequence[int]) -> dict[str, float]:
    """The predicted latency of an architecture on every target, by the targets' names."""
    return {limit.target: limit.cost.of(code) for limit in limits if limit.target is not None}
