"""What one launch of a benchmark tool measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LaunchFigures:
    """The figures of one launch; every latency in microseconds, None where the tool does not tell it.

    Args:
        count: timed invocations.
        mean_us: their mean.
        min_us: the fastest.
        max_us: the slowest.
        std_us: population standard deviation (``benchmark_model`` cuts it to whole microseconds).
        median_us: the median.
        p5_us: 5th percentile.
        p95_us: 95th percentile.
        init_us: loading the model and preparing it.
        first_us: the first invocation of all, a warm-up.
        delegate: what the text says took the graph, such as ``XNNPACK``; ``XNNPACK (partly)`` where it left
            operators to other kernels; None where the text does not say.
    """

    count: int
    mean_us: float
    min_us: float
    max_us: float
    std_us: float | None
    median_us: float | None = None
    p5_us: float | None = None
    p95_us: float | None = None
    init_us: float | None = None
    first_us: float | None = None
    delegate: str | None = None

    @property
    def latency_us(self) -> float:
        """The median where it is known, else the mean, as where whole microseconds round it to nothing."""
        return self.median_us or self.mean_us
