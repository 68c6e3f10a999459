"""A figure of a tree, and the places that make it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where something stands, and how much of it."""

    where: str
    number: float


@dataclass(frozen=True)
class Measure:
    """One figure of a tree.

    Args:
        name: what is measured.
        value: the figure.
        bound: the largest value allowed; None where nothing is asked.
        places: what makes the figure, the worst first.
        unit: of the places' numbers.
    """

    name: str
    value: float
    bound: float | None = None
    places: tuple[Place, ...] = ()
    unit: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether the figure is above its bound."""
        return self.bound is not None and self.value > self.bound

    @property
    def counts_places(self) -> bool:
        """Whether the figure is how many places there are; else it is their largest number, say."""
        return self.value == len(self.places)

    @property
    def to_mend(self) -> tuple[Place, ...]:
        """Places that break the bound: all of them where their count is too high, else those beyond it."""
        if self.bound is None or not self.is_broken:
            return ()
        return tuple(one for one in self.places if self.counts_places or one.number > self.bound)


def worst_first(found: Iterable[tuple[str, float]]) -> tuple[Place, ...]:
    """Places of names with numbers, the largest first, then by name."""
    return tuple(Place(*one) for one in sorted(found, key=lambda one: (-one[1], one[0])))


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that ``percent`` percent do not exceed, linear between neighbours.

    >>> percentile([1, 2, 3, 4], 50)
    2.5
    """
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
