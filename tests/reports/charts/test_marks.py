"""Marks that all charts share."""

from __future__ import annotations

from fbsearch.reports.charts.marks import thin
from fbsearch.reports.charts.svg import tag


def test_thinning_keeps_the_ends() -> None:
    points = [(float(i), float(i)) for i in range(1001)]
    kept = thin(points, limit=100)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert len(kept) <= 102
    assert thin(points[:5], limit=100) == points[:5]


def test_svg_text_and_attributes_are_escaped() -> None:
    assert tag("text", '<b>"', aria_label='"><script>') == (
        '<text aria-label="&#34;&gt;&lt;script&gt;">&lt;b&gt;&#34;</text>'
    )
