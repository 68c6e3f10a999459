"""Slots x candidates as grids: the search's probabilities beside the table's latencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fbsearch.records import SearchRecord
from fbsearch.reports.formatting import format_ms, format_percent, ms_decimals

Row = tuple[Sequence[str], Sequence[float]]
"""Names of a slot's candidates, and a value of each."""

STRENGTH_STEPS = 20


@dataclass(frozen=True)
class HeatCell:
    """One candidate of one slot.

    Args:
        text: what the cell shows.
        title: the whole statement.
        level: strength of the colour, 0 to ``STRENGTH_STEPS``.
        is_chosen: whether the chosen architecture has this candidate.
    """

    text: str
    title: str
    level: int
    is_chosen: bool


@dataclass(frozen=True)
class HeatMap:
    """A grid; ``rows[s][c]`` is None where slot s lacks candidate c."""

    columns: tuple[str, ...]
    rows: tuple[tuple[HeatCell | None, ...], ...]


def probability_map(search: SearchRecord) -> HeatMap:
    """The final probability of every candidate."""

    def cell(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = f"{100 * value:.0f}" if value >= 0.005 else "\u00b7"
        return HeatCell(text, f"layer {slot}, {name}: {format_percent(value)}", _level(value, 1.0), is_chosen)

    return _heat_map([(slot.names, slot.probabilities) for slot in search.slots], search.winner.choices, cell)


def latency_map(search: SearchRecord, number: int = 1) -> HeatMap | None:
    """The latency of every candidate on a device, as the search counted it, against the slowest of all.

    Args:
        search: the result.
        number: of the device, from 1.

    Returns:
        The map; None where an older file does not tell the device's latencies.
    """
    latencies_us = search.targets[number - 1].latencies_us
    if not latencies_us:
        return None
    names = [slot.names for slot in search.slots]
    return latency_grid(list(zip(names, latencies_us, strict=True)), search.winner.choices)


def latency_grid(rows: Sequence[Row], choices: Sequence[int] | None = None) -> HeatMap:
    """Latencies in microseconds against the slowest of all.

    Args:
        rows: of each slot.
        choices: the chosen candidate of each slot, where there is one.
    """
    latencies = [value for _, values in rows for value in values]
    slowest, decimals = max(latencies, default=0.0), min(ms_decimals(latencies), 3)

    def cell(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = format_ms(value, decimals=decimals, unit=False).lstrip("0") or "0"
        if value == 0:
            text = "0"
        return HeatCell(text, f"layer {slot}, {name}: {format_ms(value)}", _level(value, slowest), is_chosen)

    return _heat_map(rows, choices, cell)


def _heat_map(
    rows: Sequence[Row],
    choices: Sequence[int] | None,
    cell: Callable[[int, str, float, bool], HeatCell],
) -> HeatMap:
    columns = tuple(dict.fromkeys(name for names, _ in rows for name in names))
    grid = []
    for slot, (names, values) in enumerate(rows):
        chosen = None if choices is None else names[choices[slot]]
        known = dict(zip(names, values, strict=True))
        grid.append(
            tuple(
                cell(slot + 1, name, known[name], name == chosen) if name in known else None
                for name in columns
            )
        )
    return HeatMap(columns, tuple(grid))


def _level(value: float, full: float) -> int:
    return round(STRENGTH_STEPS * min(max(value / full, 0.0), 1.0)) if full > 0 else 0
