"""What stands at a place, and what counts of it."""

from __future__ import annotations

import pytest

from fbsearch.latency.places import Places
from tests.spaces.cells import SUMS_OPS, sums_space

SPACE = sums_space()
PLACES = Places.of(SPACE)


def ops_that_count(*ops: str) -> tuple[str, ...]:
    """In the first cell."""
    choices = PLACES.choices([SUMS_OPS.index(op) for op in ops])
    first = [index for index, name in enumerate(PLACES.names) if name.startswith("cells/0/")]
    return tuple(SUMS_OPS[choices[index]] for index in first)


@pytest.mark.parametrize(
    ("ops", "counting"),
    [
        (("conv_3x3",) * 6, ("conv_3x3",) * 6),
        (
            ("none", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "skip"),
            ("none", "conv_3x3", "none", "skip", "none", "skip"),
        ),
        (
            ("skip", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "none"),
            ("skip", "none", "none", "skip", "conv_3x3", "none"),
        ),
    ],
    ids=["all", "nothing comes in", "nobody takes it"],
)
def test_what_computes_nothing_counts_as_none(ops: tuple[str, ...], counting: tuple[str, ...]) -> None:
    assert ops_that_count(*ops) == counting
