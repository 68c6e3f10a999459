"""The drawing of one operator."""

from __future__ import annotations

from fbsearch.architecture.operators import MBConv
from fbsearch.reports.drawings.sketches import sketch


def test_blocks_grow_with_the_expansion() -> None:
    widths = [sketch(MBConv(8, 8, 8, kernel=3, expansion=e)).width for e in (1, 3, 6, 12)]
    assert widths == sorted(set(widths))
