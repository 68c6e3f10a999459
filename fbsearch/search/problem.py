"""What a search is given, whatever its method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fbsearch.costs import Cost
from fbsearch.data import Augmentation, DataSplits
from fbsearch.records.paths import numbered
from fbsearch.search.selection import Limit
from fbsearch.search.settings import SearchSettings
from fbsearch.spaces import FactoredSpace


@dataclass(frozen=True)
class Problem:
    """A space, budgets and images.

    Args:
        space: what may be chosen.
        limits: all budgets, at least one: of latency on every target, and others. Each counts as a share of
            itself; the unit of the first is that of the objective.
        data: its training set is divided between weights and theta; finalists are ranked on its
            validation set.
        augmentation: of the training images.
        settings: the schedule.
        seed: of everything random.
    """

    space: FactoredSpace
    limits: tuple[Limit, ...]
    data: DataSplits
    augmentation: Augmentation | None
    settings: SearchSettings
    seed: int

    @property
    def watched(self) -> Mapping[str, Cost]:
        """Names of metrics, and the costs whose expectations they tell: the latency on every target."""
        costs = [limit.cost for limit in self.limits if limit.target is not None]
        return {
            numbered(f"expected_{cost.name}", number, separator=" "): cost
            for number, cost in enumerate(costs, start=1)
        }
