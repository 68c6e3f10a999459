"""Steps and ticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fbsearch.reports.charts.scales import nice_step, nice_ticks


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
