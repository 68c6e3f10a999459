"""A graph in layers: columns by the longest way from an input, rows so that lines cross little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SWEEPS = 6

Slot = tuple[str, int]
"""A node, or the line from it that passes through a later column: the node's name and the column."""


@dataclass(frozen=True)
class Layout:
    """Where a graph's nodes and the lines between them stand.

    Args:
        columns: slots of each column, from top to bottom.
        lines: pairs of slots in neighbouring columns that are joined, each once.
    """

    columns: tuple[tuple[Slot, ...], ...]
    lines: tuple[tuple[Slot, Slot], ...]


def layered(sources: Mapping[str, Sequence[str]], depths: Mapping[str, int]) -> Layout:
    """Lines run from column to column; those of one node share their way as far as they go together.

    >>> layered({"a": (), "b": ("a",), "c": ("a", "b")}, {"a": 0, "b": 1, "c": 2}).columns
    ((('a', 0),), (('b', 1), ('a', 1)), (('c', 2),))

    Args:
        sources: of each node, those it takes.
        depths: its column, behind all that it takes.
    """
    columns: list[dict[Slot, None]] = [{} for _ in range(max(depths.values()) + 1)]
    lines: dict[tuple[Slot, Slot], None] = {}
    for name, depth in depths.items():
        columns[depth].setdefault((name, depth))
    for name, taken in sources.items():
        for source in taken:
            way = [(source, column) for column in range(depths[source], depths[name])]
            for slot in way:
                columns[slot[1]].setdefault(slot)
            lines.update(dict.fromkeys(zip(way, [*way[1:], (name, depths[name])], strict=True)))
    return Layout(_untangled([list(column) for column in columns], list(lines)), tuple(lines))


def _untangled(columns: list[list[Slot]], lines: Sequence[tuple[Slot, Slot]]) -> tuple[tuple[Slot, ...], ...]:
    """Each slot near the mean of those that it is joined to, forwards and backwards in turn."""
    before: dict[Slot, list[Slot]] = {}
    behind: dict[Slot, list[Slot]] = {}
    for first, second in lines:
        before.setdefault(second, []).append(first)
        behind.setdefault(first, []).append(second)
    for sweep in range(_SWEEPS):
        neighbours = behind if sweep % 2 else before
        height = {slot: _height(column, row) for column in columns for row, slot in enumerate(column)}
        for column in reversed(columns) if sweep % 2 else columns:
            column.sort(key=lambda slot: _mean([height[one] for one in neighbours.get(slot, [slot])]))
            height |= {slot: _height(column, row) for row, slot in enumerate(column)}
    return tuple(map(tuple, columns))


def _height(column: Sequence[Slot], row: int) -> float:
    """Of a row, when columns stand centred."""
    return row - (len(column) - 1) / 2


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
