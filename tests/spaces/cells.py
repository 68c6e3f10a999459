"""Small spaces of cells for tests."""

from __future__ import annotations

from typing import Any

from fbsearch.spaces import FactoredSpace, parse_definition, require_factored

DARTS_OPS = ["none", "skip", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3"]
SUMS_OPS = ["none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3"]


def cell_space(*, reduction: str = "cell", resolution: int = 16, stages: int = 3, **cell: Any) -> Any:
    """One cell a stage."""
    definition = {
        "name": "cells", "kind": "cells", "resolution": resolution, "num_classes": 3, "channels": 4,
        "stages": stages, "cells_per_stage": 1, "cell": cell, "reduction": reduction,
    }  # fmt: skip
    return parse_definition(definition, source="test").build()


def sums_space() -> FactoredSpace:
    """One input, six edges, sums; edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3 in this order."""
    space = cell_space(inputs=1, nodes=3, ops=SUMS_OPS, output="last", reduction="block")
    return require_factored(space, "tests")
