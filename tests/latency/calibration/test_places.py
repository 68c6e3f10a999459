"""What stands at a place, and what counts of it."""

from __future__ import annotations

import pytest

from fbsearch.latency.calibration.places import Places
from tests.latency.sample_table import sample_calibration, sample_table
from tests.spaces.cells import SUMS_OPS, sums_space

SPACE = sums_space()
PLACES = Places.of(SPACE)


def ops_that_count(*ops: str) -> tuple[str, ...]:
    """In the first cell."""
    choices = PLACES.choices([SUMS_OPS.index(op) for op in ops])
    first = [index for index, name in enumerate(PLACES.terms.names) if name.startswith("cells/0/")]
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
        (
            ("avg_pool_3x3", "avg_pool_3x3", "avg_pool_3x3", "avg_pool_3x3", "conv_3x3", "conv_3x3"),
            ("skip", "avg_pool_3x3", "avg_pool_3x3", "skip", "conv_3x3", "conv_3x3"),
        ),
    ],
    ids=["all", "nothing comes in", "nobody takes it", "given already"],
)
def test_what_is_not_computed_counts_as_a_skip_or_none(
    ops: tuple[str, ...], counting: tuple[str, ...]
) -> None:
    assert ops_that_count(*ops) == counting


def test_what_a_sum_of_nothing_saves_is_told_by_its_edges() -> None:
    plain = sample_table(SPACE)
    table = plain.with_calibration(sample_calibration(SPACE, plain))
    code = [SUMS_OPS.index(op) for op in ("skip", "none", "none", "skip", "skip", "none")]
    idle = SPACE.decode(code)
    sums = [node.operator for node in idle.idle_nodes if node.operator.kind == "add"]
    assert len(sums) == 3, "of node 2 of each cell"
    calibration = table.calibration
    assert calibration is not None
    assert table.calibrated_us(idle) == pytest.approx(calibration.predict_us(PLACES.choices(code)))
    assert plain.architecture_us(idle) == pytest.approx(
        sum(plain.latency_us(node.operator) for node in idle.nodes) - sum(map(plain.latency_us, sums))
    )
