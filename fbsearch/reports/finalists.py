"""The finalists of a search: rows of a table and points of a scatter."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.records import FinalistRecord, SearchResult


@dataclass(frozen=True)
class FinalistRow:
    """One finalist in the ranking.

    Args:
        rank: from 1, by validation accuracy.
        record: what the search wrote.
        is_chosen: whether it went on to training.
        difference: names of the layers where it departs from the chosen one, as (layer, name).
    """

    rank: int
    record: FinalistRecord
    is_chosen: bool
    difference: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class ScatterPoint:
    """One finalist: accuracy over latency; ``measured_us`` where it was measured."""

    name: str
    predicted_us: float
    measured_us: float | None
    accuracy: float
    is_chosen: bool


@dataclass(frozen=True)
class Scatter:
    """What the scatter shows."""

    points: tuple[ScatterPoint, ...]
    budget_us: float | None

    @property
    def label(self) -> str:
        """The scatter in words; the table beside it holds the numbers."""
        return (
            f"Validation accuracy over latency of {len(self.points)} finalists; the table holds the numbers"
        )


def rank_finalists(search: SearchResult) -> tuple[FinalistRow, ...]:
    """The finalists by validation accuracy, those without one last."""
    order = sorted(
        range(len(search.finalists)),
        key=lambda i: (-(search.finalists[i].val_accuracy or 0.0), search.finalists[i].predicted_us, i),
    )
    return tuple(
        FinalistRow(rank, search.finalists[i], i == search.chosen, _difference(search, search.finalists[i]))
        for rank, i in enumerate(order, start=1)
    )


def make_scatter(search: SearchResult) -> Scatter | None:
    """The finalists that have an accuracy; None if fewer than two have."""
    points = tuple(
        ScatterPoint(
            f"#{row.rank}",
            row.record.predicted_us,
            row.record.measured_us,
            row.record.val_accuracy,
            row.is_chosen,
        )
        for row in rank_finalists(search)
        if row.record.val_accuracy is not None
    )
    return Scatter(points, search.budget_us) if len(points) > 1 else None


def _difference(search: SearchResult, finalist: FinalistRecord) -> tuple[tuple[int, str], ...]:
    pairs = zip(search.slots, finalist.choices, search.winner.choices, strict=True)
    return tuple(
        (number, slot.names[choice])
        for number, (slot, choice, chosen) in enumerate(pairs, start=1)
        if choice != chosen
    )
