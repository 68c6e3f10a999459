"""Bins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.reports.charts import make_histogram


@given(
    st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=200), st.sampled_from([None, 0.02])
)
def test_a_histogram_counts_every_value_once(values: list[float], target: float | None) -> None:
    result = make_histogram(values, target=target)
    assert result is not None
    assert sum(b.count for b in result.bins) == len(values)
    assert len(result.bins) <= 18
    assert all(
        after.low == pytest.approx(b.high) for b, after in zip(result.bins, result.bins[1:], strict=False)
    )
    assert target is None or result.bins[-1].high > target * (1 - 1e-9)
