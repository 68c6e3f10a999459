"""The limits of a sweep's one supernet: in the middle of all budgets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fbsearch.search.limit import Limit


def middle_limits(swept: Sequence[Sequence[Limit]]) -> tuple[Limit, ...]:
    """What the supernet of a sweep is driven to: of each limit, the middle of its bounds.

    Args:
        swept: the limits of each budget, alike but for their bounds.
    """
    return tuple(
        replace(limits[0], bound=middle([limit.bound for limit in limits]))
        for limits in zip(*swept, strict=True)
    )


def middle(bounds: Sequence[float]) -> float:
    """The geometric mean of the least and the greatest.

    The objective sees a latency as log(E[LAT] / B), by which both ends are equally far from it.
    """
    least, greatest = min(bounds), max(bounds)
    return least if least == greatest else math.sqrt(least * greatest)
