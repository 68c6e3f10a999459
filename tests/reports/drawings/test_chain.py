"""The drawing of one operator."""

from __future__ import annotations

from fbsearch.architecture import Operator
from fbsearch.reports.drawings.chain import block_width


def test_blocks_grow_with_the_expansion() -> None:
    widths = [block_width(Operator("mbconv", 8, 8, 8, kernel=3, expansion=e)) for e in (1, 3, 6, 12)]
    assert widths == sorted(set(widths))
