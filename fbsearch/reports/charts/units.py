"""Quantities along an axis: where ticks stand, and how values are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fbsearch.reports.charts.scales import nice_ticks
from fbsearch.reports.formatting import (
    MINUS,
    NO_BREAK,
    format_accuracy,
    format_ms,
    format_number,
    format_percent,
    ms_decimals,
)

Writer = Callable[[float], str]


@dataclass(frozen=True)
class Unit:
    """A quantity.

    Args:
        ticks: round values that span two values.
        tick_writer: for these ticks, what stands beside each: all with the same number of decimals.
        write: a value in words.
        write_short: a value beside its mark, where the title names the unit.
        symbol: of the unit, which a chart's title names; empty where the ticks do.
    """

    ticks: Callable[[float, float], tuple[float, ...]]
    tick_writer: Callable[[Sequence[float]], Writer]
    write: Writer
    write_short: Writer
    symbol: str = ""


def accuracy_ticks(low: float, high: float) -> tuple[float, ...]:
    """Ticks that span two accuracies, none below 0 or above 1."""
    return tuple(tick for tick in nice_ticks(low, high, num=4) if 0 <= tick <= 1)


def latency_ticks(low_us: float, high_us: float) -> tuple[float, ...]:
    """Ticks in microseconds that are round in milliseconds."""
    return tuple(1000 * tick for tick in nice_ticks(low_us / 1000, high_us / 1000, num=4))


def _percent_writer(ticks: Sequence[float]) -> Writer:
    decimals = _decimals([100 * tick for tick in ticks])
    return lambda value: f"{100 * value:.{decimals}f}{NO_BREAK}%"


def _ms_writer(ticks: Sequence[float]) -> Writer:
    decimals = max(_decimals([tick / 1000 for tick in ticks]), ms_decimals(ticks) - 1)
    return lambda value: f"{value / 1000:.{decimals}f}"


def _number_writer(ticks: Sequence[float]) -> Writer:
    decimals = _decimals(ticks)
    return lambda value: f"{value:.{decimals}f}".replace("-", MINUS)


def _decimals(ticks: Sequence[float]) -> int:
    """Decimals that tell the ticks apart and lose none of their digits."""
    return next((d for d in range(6) if all(abs(round(t, d) - t) < 1e-9 for t in ticks)), 6)


def _write_whole(value: float) -> str:
    return f"{value:.0f}"


NUMBER = Unit(
    ticks=lambda low, high: nice_ticks(low, high, num=4),
    tick_writer=_number_writer,
    write=format_number,
    write_short=lambda value: format_number(value, digits=3 if abs(value) >= 1e-3 else 2),
)
COUNT = Unit(
    ticks=lambda low, high: nice_ticks(low, high, num=4, whole=True),
    tick_writer=lambda ticks: _write_whole,
    write=_write_whole,
    write_short=_write_whole,
)
ORDINAL = replace(COUNT, ticks=lambda low, high: nice_ticks(low, high, num=5, whole=True))
"""Epochs and the like."""
SHARE = Unit(
    ticks=lambda low, high: nice_ticks(low, high, num=5),
    tick_writer=lambda ticks: lambda value: f"{100 * value:g}{NO_BREAK}%",
    write=lambda value: format_percent(value, decimals=1),
    write_short=lambda value: f"{100 * value:g}{NO_BREAK}%",
)
ACCURACY = Unit(accuracy_ticks, _percent_writer, format_accuracy, format_accuracy)
LATENCY = Unit(latency_ticks, _ms_writer, format_ms, lambda value: format_ms(value, unit=False), symbol="ms")
