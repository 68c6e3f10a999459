"""Scales and ticks: values to places on a drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear map of [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of ``value``; of a range without an extent, or beyond all bounds, the start."""
        extent = self.high - self.low
        if extent == 0 or not math.isfinite(extent):
            return self.start
        return self.start + (value - self.low) / extent * (self.end - self.start)


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least ``rough``.

    >>> nice_step(0.013), nice_step(30)
    (0.02, 50.0)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        step = float(f"{factor * power:.6g}")
        if step >= rough * (1 - 1e-9):
            return step
    raise AssertionError(rough)


def nice_ticks(low: float, high: float, *, num: int = 5, whole: bool = False) -> tuple[float, ...]:
    """At most ``num + 1`` round values that span [low, high], the ends included.

    Args:
        low, high: what to span; equal values are spread a little.
        num: steps wished for.
        whole: whether only whole numbers will do.
    """
    if high <= low:
        spread = abs(low) * 0.1 or 1.0
        low, high = (low - spread, high + spread) if low else (0.0, 1.0)
    step = nice_step((high - low) / num)
    if whole and step != round(step):
        step = 5.0 if step > 1 else 1.0  # 2.5 is the only fraction above 1
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(float(f"{index * step:.9g}") for index in range(first, max(last, first + 1) + 1))
