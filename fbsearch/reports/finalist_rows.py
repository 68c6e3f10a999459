"""The finalists of a search: rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from fbsearch.records import FinalistRecord, SearchRecord


@dataclass(frozen=True)
class FinalistRow:
    """One finalist in the ranking.

    Args:
        rank: from 1, by validation accuracy, or by score where nothing was trained.
        record: what the search wrote.
        is_chosen: whether it went on to training.
        difference: names of the layers where it departs from the chosen one, as (layer, name).
    """

    rank: int
    record: FinalistRecord
    is_chosen: bool
    difference: tuple[tuple[int, str], ...]


def finalist_rows(search: SearchRecord) -> tuple[FinalistRow, ...]:
    """The finalists by validation accuracy, those without one last; or by score."""

    def rank(index: int) -> tuple[float, float, int]:
        finalist = search.finalists[index]
        worth = finalist.val_accuracy or 0.0 if finalist.score is None else finalist.score
        first_us = finalist.latencies[0].predicted_us if finalist.latencies else 0.0
        return -worth, first_us, index

    order = sorted(range(len(search.finalists)), key=rank)
    return tuple(
        FinalistRow(rank, search.finalists[i], i == search.chosen, _difference(search, search.finalists[i]))
        for rank, i in enumerate(order, start=1)
    )


def _difference(search: SearchRecord, finalist: FinalistRecord) -> tuple[tuple[int, str], ...]:
    pairs = zip_longest(_names(search, finalist), _names(search, search.winner), fillvalue="none")
    return tuple((number, name) for number, (name, chosen) in enumerate(pairs, start=1) if name != chosen)


def _names(search: SearchRecord, finalist: FinalistRecord) -> tuple[str, ...]:
    """What it chose; files of old versions tell the names with the slots alone."""
    if not search.slots:
        return finalist.names
    return tuple(slot.names[choice] for slot, choice in zip(search.slots, finalist.choices, strict=True))
