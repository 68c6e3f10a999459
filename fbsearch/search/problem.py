"""What a search is given, whatever its method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fbsearch.costs import EstimatingLatency, range_of, tabulated
from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import DataError
from fbsearch.search.between import Between
from fbsearch.search.limit import Limit
from fbsearch.search.method_settings import MethodSettings
from fbsearch.spaces import Space


@dataclass(frozen=True)
class Problem:
    """A space, budgets and images.

    Args:
        space: what may be chosen.
        limits: all budgets, at least one: of latency on every target, and others. Each counts as a share of
            itself.
        data: a search learns from its training set and judges on its validation set; it never sees the test
            set. None for a method that needs none.
        augmentation: of the training images.
        settings: of the method that searches.
        seed: of everything random.
        between: what happens between the generations of a search that has some; None for nothing.
    """

    space: Space
    limits: tuple[Limit, ...]
    data: DataSplits | None
    augmentation: Augmentation | None
    settings: MethodSettings
    seed: int
    between: Between | None = None

    @property
    def images(self) -> DataSplits:
        """The images, of a method that cannot do without.

        Raises:
            DataError: if there are none.
        """
        if self.data is None:
            raise DataError(
                f"method {self.settings.method} learns from images, and none are given: add --data"
            )
        return self.data


def limit_identity(limit: Limit) -> list[str | float]:
    """A budget as numbers: equal ones stand for the same budget on the same cost."""
    if isinstance(limit.cost, EstimatingLatency):
        return [limit.name, limit.bound]  # its table may grow while the search is interrupted
    extent = range_of(limit.cost)
    if extent is None:
        return [limit.name, limit.bound, limit.cost.label]
    coefficients: list[float] = np.nan_to_num(tabulated(limit.cost).coefficients).ravel().tolist()
    return [limit.name, limit.bound, *extent, *coefficients]
