"""Steps and ticks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.reports.charts.scales import Scale, nice_step, nice_ticks


@given(st.floats(min_value=-1e9, max_value=1e9), st.floats(min_value=-1e9, max_value=1e9), st.booleans())
def test_ticks_span_what_they_are_asked_to(a: float, b: float, whole: bool) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high, whole=whole)
    slack = 1e-6 * max(abs(low), abs(high), float(whole))
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert not whole or all(tick == round(tick) for tick in ticks)


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_step_is_at_most_two_and_a_half_times_what_was_asked(rough: float) -> None:
    assert rough * (1 - 1e-6) <= nice_step(rough) <= rough * 2.5


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (-1.5e308, 1.5e308)])
def test_a_range_that_cannot_be_divided_is_drawn_at_its_start(low, high):
    assert Scale(low, high, 10.0, 20.0)(low) == Scale(low, high, 10.0, 20.0)(high) == 10.0
