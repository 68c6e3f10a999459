"""Accuracy against latency: which architectures no other one beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fbsearch.records import SearchRecord
from fbsearch.reports.finalists import rank_finalists


@dataclass(frozen=True)
class ParetoPoint:
    """One architecture.

    Args:
        name: in words.
        accuracy: a share.
        predicted_us: by the table.
        measured_us: as a whole network, or None where that was not done.
        is_chosen: whether it is taken.
        is_dominated: whether another is no slower and no less accurate, and better in one of them.
    """

    name: str
    accuracy: float
    predicted_us: float
    measured_us: float | None
    is_chosen: bool
    is_dominated: bool

    @property
    def latency_us(self) -> float:
        """As measured, or else as predicted."""
        return self.predicted_us if self.measured_us is None else self.measured_us


@dataclass(frozen=True)
class ParetoPlot:
    """Architectures, and the budgets that they were chosen for."""

    points: tuple[ParetoPoint, ...]
    budgets_us: tuple[float, ...]

    @property
    def front(self) -> tuple[ParetoPoint, ...]:
        """Those that no other one beats, by latency."""
        kept = (point for point in self.points if not point.is_dominated)
        return tuple(sorted(kept, key=lambda point: (point.latency_us, point.accuracy)))

    @property
    def label(self) -> str:
        """The plot in words."""
        return (
            f"Accuracy over latency of {len(self.points)} architectures, "
            f"{sum(point.is_dominated for point in self.points)} of them dominated"
        )


def find_dominated(latencies_us: Sequence[float], accuracies: Sequence[float]) -> tuple[bool, ...]:
    """For each architecture, whether another is no slower and no less accurate, and better in one of them.

    >>> find_dominated([5.0, 6.0, 7.0, 7.0], [0.90, 0.88, 0.95, 0.95])
    (False, True, False, False)
    """
    pairs = list(zip(latencies_us, accuracies, strict=True))
    return tuple(
        any(
            other_us <= latency_us and other >= accuracy and (other_us, other) != (latency_us, accuracy)
            for other_us, other in pairs
        )
        for latency_us, accuracy in pairs
    )


def finalists_plot(search: SearchRecord, number: int = 1) -> ParetoPlot | None:
    """The finalists that have an accuracy, on a device; None if fewer than two have.

    Args:
        search: the result.
        number: of the device, from 1.
    """
    rows = [row for row in rank_finalists(search) if row.record.val_accuracy is not None]
    if len(rows) < 2:
        return None
    budget_us = search.targets[number - 1].budget_us
    accuracies = [row.record.val_accuracy or 0.0 for row in rows]
    latencies = [row.record.latencies[number - 1] for row in rows]
    points = tuple(
        ParetoPoint(
            name=f"#{row.rank}",
            accuracy=accuracy,
            predicted_us=latency.predicted_us,
            measured_us=latency.measured_us,
            is_chosen=row.is_chosen,
            is_dominated=is_dominated,
        )
        for row, accuracy, latency, is_dominated in zip(
            rows,
            accuracies,
            latencies,
            find_dominated([one.best_us for one in latencies], accuracies),
            strict=True,
        )
    )
    return ParetoPlot(points, () if budget_us is None else (budget_us,))
