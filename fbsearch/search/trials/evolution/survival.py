"""Who stays in the population."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fbsearch.search.trials.evolution.member import Member, merits

Survival = Callable[[Sequence[Member], int], list[Member]]
"""Members, oldest first, and how many may stay, to those that stay, in the same order."""


def best_survive(members: Sequence[Member], size: int) -> list[Member]:
    """The best by score; of equals the older ones (Lin et al., 2021, Algorithm 2)."""
    order = np.argsort(-merits(members), kind="stable")[:size]
    return [members[index] for index in sorted(order)]


def front_survives(cost_of: Callable[[Member], float]) -> Survival:
    """Those that fewest others beat in score and cost, spread over the costs (NSGA-II, Deb et al., 2002).

    Args:
        cost_of: what the score stands against, the lower the better.
    """

    def survive(members: Sequence[Member], size: int) -> list[Member]:
        values = np.stack([-merits(members), np.array([cost_of(member) for member in members])], axis=1)
        kept: list[int] = []
        for front in _fronts(values):
            order = front[np.argsort(-_crowding(values[front]), kind="stable")]
            kept += order[: size - len(kept)].tolist()
            if len(kept) == size:
                break
        return [members[index] for index in sorted(kept)]

    return survive


def first_front(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the rows that no other row is at or below in every column and below in one.

    Args:
        values: ``N x K``, the lower the better.
    """
    at_most = (values[:, None] <= values[None]).all(axis=2)
    below = (values[:, None] < values[None]).any(axis=2)
    return np.flatnonzero(~(at_most & below).any(axis=0))


def _fronts(values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Indices of the rows that nothing beats, then of those that only these beat, and so on."""
    left, fronts = np.arange(len(values)), []
    while len(left):
        front = left[first_front(values[left])]
        fronts.append(front)
        left = np.setdiff1d(left, front)
    return fronts


def _crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart each row's neighbours are, summed over columns as shares of their range; ends inf."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0 and len(order) > 2:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance
