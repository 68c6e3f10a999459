"""Whole networks against the sums of the table, and the line that corrects the sums."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.reports.formatting import format_ms, format_percent
from fbsearch.reports.records import CorrectionRecord


@dataclass(frozen=True)
class WholeNetworks:
    """What the figure and its sentence tell.

    Args:
        points: (sum, measured) in microseconds.
        line: the corrected latency at the least and the greatest sum.
        sum_error: mean of |sum / measured - 1|.
        line_error: the same of the corrected sums, on the networks that the line was fitted to.
        formula: the line in words.
    """

    points: tuple[tuple[float, float], ...]
    line: tuple[tuple[float, float], tuple[float, float]]
    sum_error: float
    line_error: float
    formula: str

    @property
    def label(self) -> str:
        """The figure in words."""
        return (
            f"Measured latency of {len(self.points)} whole networks over the table\u2019s sums; "
            f"the line is {self.formula}"
        )


def compare_whole_networks(correction: CorrectionRecord | None) -> WholeNetworks | None:
    """Sums, measurements and the line; None where fewer than two networks were measured."""
    if correction is None or len(correction.networks) < 2:
        return None
    points = tuple(sorted((network.sum_us, network.measured_us) for network in correction.networks))
    low, high = points[0][0], points[-1][0]
    return WholeNetworks(
        points=points,
        line=((low, correction.apply(low)), (high, correction.apply(high))),
        sum_error=_mean_error([(total, measured) for total, measured in points]),
        line_error=_mean_error([(correction.apply(total), measured) for total, measured in points]),
        formula=describe_line(correction),
    )


def describe_line(correction: CorrectionRecord) -> str:
    """The correction as a formula, such as ``0.012 ms + 1.13 x the sum``."""
    return f"{format_ms(correction.intercept_us)} + {correction.slope:.3f} \u00d7 the sum"


def describe_errors(networks: WholeNetworks) -> str:
    """How far sums and line are from what was measured."""
    return (
        f"For {len(networks.points)} whole networks the plain sums were off by "
        f"{format_percent(networks.sum_error, decimals=1)} on average, the line fitted to them by "
        f"{format_percent(networks.line_error, decimals=1)}."
    )


def _mean_error(pairs: list[tuple[float, float]]) -> float:
    return sum(abs(predicted / measured - 1) for predicted, measured in pairs) / len(pairs)
