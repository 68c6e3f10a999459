"""Other samples of networks that might as well have been drawn: how far a correlation is chance."""

from __future__ import annotations

import numpy as np

from fbsearch.proxies.evaluation.correlations import Floats

Interval = tuple[float, float]

CONFIDENCE = 0.95
NUM_RESAMPLES = 1000
NUM_HALVES = 400


def bootstrap_weights(num_networks: int, *, num_resamples: int, seed: int) -> Floats:
    """``B x N``: how often each network stands in each of B draws of N with replacement."""
    rng = np.random.default_rng([seed, 0])
    shares = np.full(num_networks, 1 / num_networks)
    return rng.multinomial(num_networks, shares, size=num_resamples).astype(np.float64)


def half_weights(num_networks: int, *, num_halves: int, seed: int) -> Floats:
    """``B x N``: 1 for the networks of a random half, 0 for those of the other; of an odd number, one less."""
    rng = np.random.default_rng([seed, 1])
    places = rng.permuted(np.tile(np.arange(num_networks), (num_halves, 1)), axis=1)
    return (places < num_networks // 2).astype(np.float64)


def percentile_interval(values: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """The middle of the resampled values, those that do not exist left aside.

    >>> low, high = percentile_interval(np.arange(101.0), confidence=0.9)
    >>> round(low, 6), round(high, 6)
    (5.0, 95.0)
    """
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)
