"""Whole networks against the sums of the table."""

from __future__ import annotations

from fbsearch.reports.charts import describe_errors, make_calibration_chart
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_calibration, sample_table


def test_whole_networks_tell_the_errors_of_sums_line_and_calibration() -> None:
    plain = sample_table()
    table = plain.with_calibration(sample_calibration(load_space("digits"), plain))
    chart = make_calibration_chart(table)
    assert chart is not None and len(chart.points) == 24
    diagnostics = table.calibration.diagnostics
    assert chart.sum_error == diagnostics.sum_mean_abs_error > chart.calibrated_error
    (low, start), (high, end) = chart.line
    assert low == chart.points[0][0] and high == chart.points[-1][0] and end > start
    assert "For 24 whole networks the plain sums were off by" in describe_errors(chart)
    assert make_calibration_chart(None) is None and make_calibration_chart(plain) is None
