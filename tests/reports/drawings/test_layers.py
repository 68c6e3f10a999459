"""The architecture as rows."""

from __future__ import annotations

from fbsearch.architecture import Operator
from fbsearch.errors import MissingOperatorError
from fbsearch.reports.drawings.layers import add_latencies, group_layers
from fbsearch.reports.formatting import NO_BREAK
from fbsearch.spaces import build_structure, named_architecture, read_structure
from tests.spaces.cells import SUMS_OPS, sums_space


def test_layers_are_grouped_by_width_and_their_latencies_add_up() -> None:
    architecture = named_architecture("fbnet_a")
    groups = group_layers(architecture, lambda op: 0.0 if op.is_identity else float(op.out_channels))
    assert [len(group.rows) for group in groups] == [1, 1, 4, 4, 4, 4, 4, 1, 2]
    assert [row.number for group in groups for row in group.rows if row.number] == list(range(1, 23))
    assert groups[2].latency_us == 24 + 24
    total = add_latencies(row.latency_us for group in groups for row in group.rows)
    assert total == sum(op.out_channels for op in architecture.operators() if not op.is_identity)


def test_super_blocks_stand_under_titles_of_their_own() -> None:
    text = (
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,2)SuperResIDWE2K7(16,24,2,8,2)"
        "SuperConvK1BNRELU(24,32,1,1)"
    )
    groups = group_layers(build_structure(read_structure(text), resolution=8, num_classes=2), None)
    assert [group.title for group in groups] == ["Stem", "Super-block 1", "Super-block 2", "Head"]
    assert [row.name.replace(NO_BREAK, " ") for row in groups[2].rows[:2]] == ["idw 7×7 h16", "idw 7×7 h48"]
    assert groups[2].rows[0].description == "idw 7×7 h16, 16 → 8 channels, residual, halves the resolution"


def test_an_unknown_latency_is_never_zero() -> None:
    def look_up(operator: Operator) -> float:
        if operator.kind == "classifier":
            raise MissingOperatorError("absent")
        return 1.0

    groups = group_layers(named_architecture("fbnet_c"), look_up)
    assert groups[-1].rows[-1].latency_us is None
    assert groups[-1].latency_us is None
    assert add_latencies([1.0, None]) is None


def test_what_is_not_computed_takes_no_time() -> None:
    ops = ("avg_pool_3x3", "avg_pool_3x3", "conv_1x1", "conv_1x1", "skip", "none")
    architecture = sums_space().decode([SUMS_OPS.index(op) for op in ops])
    cell = group_layers(architecture, lambda operator: 1.0)[1]
    free = [row.operator.kind for row in cell.rows if row.latency_us == 0]
    assert free == ["avgpool", "reluconv", "add", "zero"], "nobody takes node 2"
    assert all(row.latency_us is None for group in group_layers(architecture, None) for row in group.rows)
