"""Slots x candidates as grids: the search's probabilities beside the table's latencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fbsearch.reports.formatting import format_ms, format_percent, ms_decimals
from fbsearch.reports.records import SearchResult, SlotRecord

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


def probability_map(search: SearchResult) -> HeatMap:
    """The final probability of every candidate."""

    def cell(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = f"{100 * value:.0f}" if value >= 0.005 else "\u00b7"
        return HeatCell(text, f"layer {slot}, {name}: {format_percent(value)}", _level(value, 1.0), is_chosen)

    return _heat_map(search, lambda slot: slot.probabilities, cell)


def latency_map(search: SearchResult) -> HeatMap:
    """The table's latency of every candidate, against the slowest of all."""
    latencies = [value for slot in search.slots for value in slot.latencies_us]
    slowest, decimals = max(latencies, default=0.0), min(ms_decimals(latencies), 3)

    def cell(slot: int, name: str, value: float, is_chosen: bool) -> HeatCell:
        text = format_ms(value, decimals=decimals, unit=False).lstrip("0") or "0"
        if value == 0:
            text = "0"
        return HeatCell(text, f"layer {slot}, {name}: {format_ms(value)}", _level(value, slowest), is_chosen)

    return _heat_map(search, lambda slot: slot.latencies_us, cell)


def candidate_names(slots: Sequence[SlotRecord]) -> tuple[str, ...]:
    """Every name once, in the order of first use."""
    return tuple(dict.fromkeys(name for slot in slots for name in slot.names))


def _heat_map(
    search: SearchResult,
    values_of: Callable[[SlotRecord], Sequence[float]],
    cell: Callable[[int, str, float, bool], HeatCell],
) -> HeatMap:
    columns = candidate_names(search.slots)
    rows = []
    for number, (slot, choice) in enumerate(zip(search.slots, search.winner.choices, strict=True), start=1):
        values = dict(zip(slot.names, values_of(slot), strict=True))
        rows.append(
            tuple(
                cell(number, name, values[name], name == slot.names[choice]) if name in values else None
                for name in columns
            )
        )
    return HeatMap(columns, tuple(rows))


def _level(value: float, full: float) -> int:
    return round(STRENGTH_STEPS * min(max(value / full, 0.0), 1.0)) if full > 0 else 0
