"""Other samples of networks that might as well have been drawn: how far a correlation is chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fbsearch.proxies.evaluation.correlations import Floats

CONFIDENCE = 0.95
NUM_RESAMPLES = 1000
NUM_HALVES = 400


@dataclass(frozen=True)
class Estimate:
    """A figure and where it might as well lie.

    Args:
        value: the figure.
        interval: the middle 95 % of what it came to in other samples.
    """

    value: float
    interval: tuple[float, float]

    @property
    def interval_words(self) -> str:
        """The interval in words."""
        return " to ".join(map(two_decimals, self.interval))

    def to_dict(self, name: str, interval: str) -> dict[str, Any]:
        """The JSON form, under two names."""
        return {name: self.value, interval: list(self.interval)}


def estimate(value: float, resampled: Floats) -> Estimate:
    """A figure with its percentile interval; samples in which it does not exist are left aside.

    >>> estimate(0.5, np.arange(0.0, 1.001, 0.01)).interval
    (0.025, 0.975)
    """
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(resampled, [tail, 100 - tail])
    return Estimate(float(value), (round(float(low), 12), round(float(high), 12)))


def two_decimals(value: float) -> str:
    """A correlation, or a difference of two, as people read it.

    >>> two_decimals(-0.123), two_decimals(-0.001)
    ('−0.12', '0.00')
    """
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def everyone(num_networks: int) -> Floats:
    """``1 x N``: the networks themselves."""
    return np.ones((1, num_networks))


def bootstrap_weights(num_networks: int, *, num_resamples: int, seed: int) -> Floats:
    """``B x N``: how often each network stands in each of B draws of N with replacement."""
    rng = np.random.default_rng([seed, 0])
    shares = np.full(num_networks, 1 / num_networks)
    return rng.multinomial(num_networks, shares, size=num_resamples).astype(np.float64)


def half_weights(num_networks: int, *, num_halves: int, seed: int) -> Floats:
    """``B x N``: 1 for the networks of a random half, 0 for those of the other.

    What a statistic of half the networks, drawn without replacement, varies by is what that of all of them
    varies by from population to population: (1/(N/2) − 1/N) S² = S²/N. So the spread over halves is an
    interval as good as a bootstrap's, and leaves the other half to choose with.
    """
    rng = np.random.default_rng([seed, 1])
    places = rng.permuted(np.tile(np.arange(num_networks), (num_halves, 1)), axis=1)
    return (places < num_networks // 2).astype(np.float64)
