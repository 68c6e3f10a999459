"""Genotypes drawn at random, for properties of all."""

from __future__ import annotations

from hypothesis import strategies as st

from fbsearch.spaces import Genotype, Stack
from fbsearch.spaces.genotypes import CellGenotype

OPS = ("none", "skip", "skip_connect", "sep_conv_3x3", "max_pool_3x3", "conv_7x1_1x7", "dil_sep_conv_3x3")
SMALL = Stack(cells=3, channels=4, resolution=8, num_classes=2)


@st.composite
def cells(draw: st.DrawFn) -> CellGenotype:
    nodes = [
        draw(
            st.lists(
                st.tuples(st.sampled_from(OPS), st.integers(0, target - 1)), min_size=1, max_size=target + 1
            )
        )
        for target in range(2, 2 + draw(st.integers(1, 4)))
    ]
    joined = draw(st.lists(st.integers(0, len(nodes) + 1), min_size=1, unique=True))
    return CellGenotype(nodes=tuple(map(tuple, nodes)), concat=tuple(joined))


@st.composite
def genotypes(draw: st.DrawFn) -> Genotype:
    conventions = draw(st.sampled_from(["darts", "nasnet"]))
    return Genotype(
        name="drawn",
        conventions=conventions,
        normal=draw(cells()),
        reduction=draw(cells()),
        stacks={"small": SMALL},
    )
