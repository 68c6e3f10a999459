"""How well a score orders networks: Kendall's τ and Spearman's ρ, of many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

_BLOCK_PAIRS = 4_000_000
"""Pairs of networks that are looked at at once: 32 MB."""


@dataclass(frozen=True)
class Correlations:
    """Kendall's τ-b and Spearman's ρ of a score with the accuracies, for each weighting of the networks.

    Args:
        tau: ``B``; NaN where no two networks of a weighting differ in accuracy.
        rho: ``B``, likewise.
    """

    tau: Floats
    rho: Floats


def correlate(scores: Floats, accuracies: Floats, weights: Floats) -> Correlations:
    """The correlations of samples in which each network stands so many times.

    With s_ij = sign(x_i − x_j) of the scores, a_ij of the accuracies and w a network's weight::

        τ_b = Σ w_i w_j s_ij a_ij / sqrt(Σ w_i w_j s_ij² · Σ w_i w_j a_ij²)

    and ρ is the correlation of the mid-ranks r_i = ½ + Σ_j w_j (1 + s_ij) / 2. Weights of 1 give the
    statistics of the networks themselves, the counts of a draw with replacement those of that draw. A score
    that tells no two networks apart orders nothing: 0.

    Args:
        scores: ``N``; -inf ranks last.
        accuracies: ``N``.
        weights: ``B x N``, whole numbers from 0.
    """
    x, y = rankdata(scores), rankdata(accuracies)
    num_networks, size = len(x), max(1, _BLOCK_PAIRS // len(x))
    sums = np.zeros((3, len(weights)))  # concordant less discordant, pairs apart in score, in accuracy
    ranks_x, ranks_y = np.empty_like(weights), np.empty_like(weights)
    for start in range(0, num_networks, size):
        block = slice(start, start + size)
        signs_x = np.sign(x[None, block] - x[:, None])
        signs_y = np.sign(y[None, block] - y[:, None])
        for index, signs in enumerate((signs_x * signs_y, signs_x**2, signs_y**2)):
            sums[index] += ((weights @ signs) * weights[:, block]).sum(axis=1)
        ranks_x[:, block], ranks_y[:, block] = weights @ signs_x, weights @ signs_y
    has_order = sums[2] > 0
    tau = _ratio(sums[0], np.sqrt(sums[1]) * np.sqrt(sums[2]), has_order)
    return Correlations(tau, _weighted_correlation(ranks_x, ranks_y, weights, has_order))


def _weighted_correlation(x: Floats, y: Floats, weights: Floats, has_order: NDArray[np.bool_]) -> Floats:
    """Pearson's, row by row; mid-ranks but for a factor and a constant are Σ_j w_j s_ij, whose mean is 0."""
    covariance = (weights * x * y).sum(axis=1)
    spread = np.sqrt((weights * x**2).sum(axis=1)) * np.sqrt((weights * y**2).sum(axis=1))
    return _ratio(covariance, spread, has_order)


def _ratio(above: Floats, below: Floats, has_order: NDArray[np.bool_]) -> Floats:
    ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.where(has_order, np.clip(ratio, -1.0, 1.0), np.nan)


def correlation_of(scores: Floats, accuracies: Floats) -> tuple[float, float]:
    """τ_b and ρ of the networks themselves.

    >>> tau, rho = correlation_of(np.array([1.0, 3.0, 2.0]), np.array([0.1, 0.2, 0.3]))
    >>> round(tau, 3), round(rho, 3)
    (0.333, 0.5)
    """
    found = correlate(scores, accuracies, np.ones((1, len(scores))))
    return float(found.tau[0]), float(found.rho[0])
