"""Which whole networks to measure where decisions are not independent: those that cover the operators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fbsearch.latency.calibration.fitting import FloatArray


def choose_covering(
    counts: NDArray[np.int64],
    num_networks: int,
    sums_us: FloatArray | None = None,
    *,
    known: int = 0,
) -> tuple[int, ...]:
    """Networks of a pool in which every operator stands, and then again, as far as the pool allows.

    Greedy: the next network is the one that holds most of the operators that were seen least, among equals
    the one that holds most of others seen little. Operators that no network left holds are waited for no
    longer. The fastest and the slowest come first where sums are known: the ends of the fitted line.

    >>> choose_covering(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 2], [0, 1, 0]]), 3)
    (1, 2, 0)

    Args:
        counts: ``N x K``: how often each operator stands in each network of the pool.
        num_networks: to choose; fewer are returned where the pool holds fewer.
        sums_us: ``N``: the networks' plain sums.
        known: so many of the pool, its first, are chosen already, and count.

    Returns:
        Indices into the pool.
    """
    holds = counts > 0
    ends = [] if sums_us is None else [int(np.argmin(sums_us)), int(np.argmax(sums_us))]
    chosen = list(dict.fromkeys([*range(known), *ends]))[:num_networks]
    is_left = np.ones(len(holds), bool)
    is_left[chosen] = False
    seen = holds[chosen].sum(axis=0)
    while len(chosen) < num_networks and is_left.any():
        best = _best(holds, seen, is_left)
        chosen.append(best)
        is_left[best] = False
        seen = seen + holds[best]
    return tuple(chosen)


def _best(holds: NDArray[np.bool_], seen: NDArray[np.int64], is_left: NDArray[np.bool_]) -> int:
    possible = holds[is_left].any(axis=0)
    least = seen[possible].min(initial=seen.max(initial=0))
    gains = (holds & (possible & (seen == least))).sum(axis=1)
    others = (holds / (1.0 + seen)).sum(axis=1)
    gains[~is_left] = -1
    return int(np.lexsort((-others, -gains))[0])
