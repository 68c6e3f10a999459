"""Which whole networks to measure: every candidate of every layer equally often."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Choices = tuple[int, ...]

MIN_NETWORKS = 4
"""A line needs its two ends; two more tell whether it is one."""

_DRAWS = 32
_FEW = 4096


def design_networks(
    latencies_us: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[Choices, ...]:
    """Networks in which each layer takes its candidates equally often, to within one.

    A Latin design: every layer runs through its candidates in a random order of its own, again and again.
    The first two networks are the fastest and the slowest by their sums, the ends of the fitted line. Of a
    few such designs the one is taken in which pairs of candidates of two layers meet most evenly: the least
    sum of squared meetings, the criterion E(s²) of supersaturated designs (Booth and Cox, 1962).

    >>> latencies = np.array([[1.0, 2.0, 3.0], [5.0, 4.0, 6.0]])
    >>> networks = design_networks(latencies, 6, np.random.default_rng(0))
    >>> [np.bincount(layer).tolist() for layer in np.transpose(networks)]
    [[2, 2, 2], [2, 2, 2]]

    Args:
        latencies_us: ``S x C``, each candidate's own latency; NaN where a slot has no such candidate.
        count: how many; fewer are returned where the space holds fewer.
        rng: draws the orders.

    Returns:
        Distinct choices, the fastest and the slowest first.
    """
    sizes = [int(np.isfinite(row).sum()) for row in latencies_us]
    if math.prod(sizes) <= min(count, _FEW):
        return tuple(itertools.product(*(range(size) for size in sizes)))
    drawn = [_draw(latencies_us, count, rng) for _ in range(_DRAWS)]
    best = min(drawn, key=lambda design: (-len(set(map(tuple, design))), _meetings(design, max(sizes))))
    return _distinct(best, sizes, rng)


def _draw(latencies_us: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count x S``: one design."""
    return np.stack([list(itertools.islice(_column(row, rng), count)) for row in latencies_us], axis=1)


def _column(latencies_us: NDArray[np.float64], rng: np.random.Generator) -> Iterator[int]:
    """A layer's candidates: its fastest, its slowest, the others, then all again and again, shuffled."""
    order = np.argsort(latencies_us, kind="stable")[: np.isfinite(latencies_us).sum()]  # NaN sorts last
    ends = dict.fromkeys((int(order[0]), int(order[-1])))
    yield from ends
    yield from (int(i) for i in rng.permutation(order) if int(i) not in ends)
    while True:
        yield from (int(i) for i in rng.permutation(order))


def _meetings(design: NDArray[np.int64], num_candidates: int) -> float:
    one_hot = (design[:, :, None] == np.arange(num_candidates)).reshape(len(design), -1).astype(float)
    return float(((one_hot.T @ one_hot) ** 2).sum())


def _distinct(
    design: NDArray[np.int64], sizes: Sequence[int], rng: np.random.Generator
) -> tuple[Choices, ...]:
    """Replace repeated networks, which small spaces cannot avoid, by random ones."""
    chosen = dict.fromkeys(tuple(int(i) for i in row) for row in design)
    while len(chosen) < len(design):
        chosen.setdefault(tuple(int(rng.integers(size)) for size in sizes))
    return tuple(chosen)
