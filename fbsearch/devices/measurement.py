"""The latency of one model: every raw value, and robust statistics of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """Rounds of one model; a round is a short burst of invocations, rounds lie far apart in time.

    The latency is the median of the rounds' medians: a slow burst within a round, or a slow round, does
    not move it. Its uncertainty comes from the rounds' medians, since values within a round share their
    moment's luck and are no independent draws.

    Args:
        rounds_us: raw latencies in microseconds, one tuple per round kept.
        num_discarded: rounds thrown away because the machine was slow around them.
        is_steady: False where even slow rounds had to be used, for lack of others.
        confidence: of the interval that ``relative_ci`` tells.
        target_relative_ci: at or below it, the measurement counts as converged.
    """

    rounds_us: tuple[tuple[float, ...], ...]
    num_discarded: int = 0
    is_steady: bool = True
    confidence: float = 0.95
    target_relative_ci: float = 0.02

    def __post_init__(self) -> None:
        assert self.rounds_us and all(self.rounds_us), "a measurement needs a round, a round a value"

    @cached_property
    def round_medians_us(self) -> tuple[float, ...]:
        """The median of every round."""
        return tuple(float(np.median(values)) for values in self.rounds_us)

    @cached_property
    def values_us(self) -> np.ndarray:
        """All raw values in one array."""
        return np.concatenate([np.asarray(values, dtype=np.float64) for values in self.rounds_us])

    @property
    def latency_us(self) -> float:
        """The measured latency: the median of the rounds' medians."""
        return float(np.median(self.round_medians_us))

    @property
    def min_us(self) -> float:
        """Smallest raw value."""
        return float(self.values_us.min())

    @property
    def mean_us(self) -> float:
        """Mean of the raw values."""
        return float(self.values_us.mean())

    @property
    def std_us(self) -> float:
        """Population standard deviation of the raw values."""
        return float(self.values_us.std())

    @property
    def p95_us(self) -> float:
        """95th percentile of the raw values, linearly interpolated."""
        return float(np.percentile(self.values_us, 95))

    @property
    def relative_ci(self) -> float:
        """Half the width of the latency's confidence interval, as a share of the latency.

        Infinite where the rounds are too few for the confidence asked for.
        """
        low, high = median_interval(self.round_medians_us, self.confidence)
        return (high - low) / 2 / self.latency_us

    @property
    def is_converged(self) -> bool:
        """Whether the interval is as narrow as the protocol asks."""
        return self.relative_ci <= self.target_relative_ci


def median_interval(values: tuple[float, ...], confidence: float) -> tuple[float, float]:
    """A confidence interval of the median of the distribution that ``values`` are drawn from.

    Whatever the distribution, the number of values below its median is Binomial(n, 1/2); so the k-th
    smallest and k-th largest value enclose it with probability 1 - 2 P(Bin(n, 1/2) < k). The largest k
    that keeps ``confidence`` is taken. No assumption of normal noise, and one outlier in nine does not
    widen it.

    Returns:
        Both ends, infinite where there are too few values (at 95 %: fewer than six).
    """
    n = len(values)
    tail, k = 0.5**n, 0
    while 2 * tail <= 1 - confidence:
        k += 1
        tail += math.comb(n, k) * 0.5**n
    if k == 0:
        return -math.inf, math.inf
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k]


def min_rounds_for(confidence: float) -> int:
    """Fewest rounds from which :func:`median_interval` can be finite."""
    return max(1, math.ceil(math.log2(2 / (1 - confidence))))


def round_us(value: float) -> float:
    """A raw latency as it is kept: to 0.1 us, below 100 us to 0.01 us (and never 0)."""
    return round(value, 1) if value >= 100 else max(round(value, 2), 0.01)
