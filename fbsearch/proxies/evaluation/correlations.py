"""How well a score orders networks: Kendall's τ and Spearman's ρ, of many samples of them at once.

A sample is a row of weights: how often each network stands in it. Weights of 1 give the statistic of the
networks themselves, the counts of a draw with replacement that of the draw.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

_BLOCK_PAIRS = 4_000_000
"""Pairs of networks that are looked at at once: 32 MB."""


def kendall_taus(scores: Floats, accuracies: Floats, weights: Floats) -> Floats:
    """Kendall's τ-b of a score with the accuracies, in each sample.

    With s_ij = sign(x_j − x_i) of the scores, a_ij of the accuracies and w a network's weight::

        τ_b = Σ w_i w_j s_ij a_ij / sqrt(Σ w_i w_j s_ij² · Σ w_i w_j a_ij²)

    Args:
        scores: ``N``; -inf ranks last.
        accuracies: ``N``.
        weights: ``B x N``, whole numbers from 0.

    Returns:
        ``B``: 0 where the score tells no two networks apart, NaN where the accuracies do not.
    """
    common = np.zeros(len(weights))
    for block, signs_x, signs_y in _signs(scores, accuracies):
        common += ((weights @ (signs_x * signs_y)) * weights[:, block]).sum(axis=1)
    return _ratio(common, _pairs_apart(scores, weights), _pairs_apart(accuracies, weights))


def spearman_rhos(scores: Floats, accuracies: Floats, weights: Floats) -> Floats:
    """Spearman's ρ of a score with the accuracies, in each sample: the correlation of the mid-ranks.

    A network's mid-rank in a sample is ½ + ½ Σ_i w_i (1 + s_ij), and Σ_i w_i s_ij has the mean 0.

    Args:
        scores: ``N``; -inf ranks last.
        accuracies: ``N``.
        weights: ``B x N``, whole numbers from 0.

    Returns:
        ``B``, as :func:`kendall_taus`.
    """
    sums = np.zeros((3, len(weights)))
    for block, signs_x, signs_y in _signs(scores, accuracies):
        x, y = weights @ signs_x, weights @ signs_y
        for index, products in enumerate((x * y, x**2, y**2)):
            sums[index] += (products * weights[:, block]).sum(axis=1)
    return _ratio(*sums)


def _signs(scores: Floats, accuracies: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
    """s_ij and a_ij of all networks i, a block of networks j at a time."""
    x, y = rankdata(scores), rankdata(accuracies)  # differences of infinities have no sign
    size = max(1, _BLOCK_PAIRS // len(x))
    for start in range(0, len(x), size):
        block = slice(start, start + size)
        yield block, np.sign(x[None, block] - x[:, None]), np.sign(y[None, block] - y[:, None])


def _pairs_apart(values: Floats, weights: Floats) -> Floats:
    """Σ w_i w_j s_ij²: all pairs, without those within a group of equals."""
    ranks = rankdata(values, method="dense")
    order = np.argsort(ranks, kind="stable")
    starts = np.flatnonzero(np.diff(ranks[order], prepend=0))
    groups = np.add.reduceat(weights[:, order], starts, axis=1)
    total: Floats = weights.sum(axis=1) ** 2 - (groups**2).sum(axis=1)
    return total


def _ratio(common: Floats, of_scores: Floats, of_accuracies: Floats) -> Floats:
    spread = np.sqrt(of_scores) * np.sqrt(of_accuracies)
    ratio = np.divide(common, spread, out=np.zeros_like(common), where=spread > 0)
    return np.where(of_accuracies > 0, np.clip(ratio, -1.0, 1.0), np.nan)
