"""Whole networks against the sums of the table, and what the calibration makes of the sums."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from fbsearch.latency import Calibration, LatencyTable
from fbsearch.reports.charts.chart import draw_chart
from fbsearch.reports.charts.marks import curve, diagonal, dot
from fbsearch.reports.charts.predictions import equal_axes
from fbsearch.reports.formatting import format_ms, format_percent


@dataclass(frozen=True)
class CalibrationChart:
    """What the figure and its sentence tell.

    Args:
        points: (sum, measured) in microseconds.
        line: the fitted line at the least and the greatest sum.
        formula: the line in words.
        sum_error: mean of |sum / measured - 1|.
        line_error: mean error of each network as predicted by a line through the others.
        calibrated_error: the same with the corrections of candidates.
        repeatability: of the measurement.
    """

    points: tuple[tuple[float, float], ...]
    line: tuple[tuple[float, float], tuple[float, float]]
    formula: str
    sum_error: float
    line_error: float
    calibrated_error: float
    repeatability: float

    @property
    def label(self) -> str:
        """The figure in words."""
        return (
            f"Measured latency of {len(self.points)} whole networks over the table\u2019s sums; "
            f"the line is {self.formula}"
        )


def make_calibration_chart(table: LatencyTable | None) -> CalibrationChart | None:
    """Sums, measurements and the line; None where the table has no calibration."""
    if table is None or table.calibration is None:
        return None
    calibration = table.calibration
    fit, diagnostics = calibration.header.fit, calibration.diagnostics
    points = tuple(sorted((network.sum_us, network.latency_us) for network in calibration.networks))
    ends = (points[0][0], points[-1][0])
    low, high = ((total, fit.intercept_us + fit.slope * total) for total in ends)
    return CalibrationChart(
        points=points,
        line=(low, high),
        formula=describe_line(calibration),
        sum_error=diagnostics.sum_mean_abs_error,
        line_error=diagnostics.line_mean_abs_error,
        calibrated_error=diagnostics.mean_abs_error,
        repeatability=diagnostics.repeatability,
    )


def describe_line(calibration: Calibration) -> str:
    """The fitted line as a formula, such as ``0.012 ms + 1.13 x the sum``."""
    fit = calibration.header.fit
    return f"{format_ms(fit.intercept_us)} + {fit.slope:.3f} \u00d7 the sum"


def describe_errors(chart: CalibrationChart) -> str:
    """How far sums, line and calibrated values are from what was measured."""
    errors = (chart.sum_error, chart.line_error, chart.calibrated_error, chart.repeatability)
    plain, line, calibrated, repeats = (format_percent(error, decimals=1) for error in errors)
    return (
        f"For {len(chart.points)} whole networks the plain sums were off by {plain} on average. Predicted "
        f"from the other networks, a line alone is off by {line}, the calibrated values, which the search "
        f"uses, by {calibrated}; the measurement itself repeats to {repeats}."
    )


def draw_calibration(chart: CalibrationChart) -> Markup:
    """Measured latency over the table's sum, the fitted line, and where both would be equal."""
    axes = equal_axes(chart.points, "sum of the table, ms (measured upwards)")
    line = curve([axes.at(*end) for end in chart.line], "main")
    dots = [
        dot(axes.at(total, latency), "dot main", f"sum {format_ms(total)}, measured {format_ms(latency)}")
        for total, latency in chart.points
    ]
    return draw_chart(axes, [diagonal(axes), line, *dots], label=chart.label)
