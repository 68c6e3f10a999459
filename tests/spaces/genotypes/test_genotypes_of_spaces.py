"""Between cell spaces and genotypes: the same networks, by code and by genotype."""

from __future__ import annotations

import numpy as np
import pytest

from fbsearch.errors import SpaceError
from fbsearch.spaces import (
    CellsDefinition,
    StackChanges,
    choose_stack,
    code_names,
    genotype_of,
    load_definition,
    load_genotype,
    parse_definition,
    stack_cells,
)


def definition(name: str, *, every_edge: bool = False) -> CellsDefinition:
    loaded = load_definition(name)
    assert isinstance(loaded, CellsDefinition)
    return loaded.with_every_edge() if every_edge else loaded


DEFINITIONS = {
    "darts": definition("darts"),
    "every edge": definition("darts", every_edge=True),
    "enas": definition("enas"),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_sample_as_genotype_is_the_same_network(name: str) -> None:
    cells = DEFINITIONS[name]
    space, rng = cells.build(), np.random.default_rng(0)
    for _ in range(3):
        code = space.sample(rng)
        genotype = genotype_of(cells, space.choice_names(code), name="found")
        assert stack_cells(genotype, choose_stack(genotype)).nodes == space.decode(code).nodes


def test_a_published_genotype_lies_in_its_space() -> None:
    space, genotype = DEFINITIONS["darts"].build(), load_genotype("darts_v2")
    small = choose_stack(genotype, changes=StackChanges(cells=8, channels=16))
    code = space.encode(stack_cells(genotype, small))
    names = code_names(space, code)
    read = genotype_of(DEFINITIONS["darts"], names, name="darts_v2")
    assert (read.normal, read.reduction) == (genotype.normal, genotype.reduction)
    assert read.stacks["searched"].cells == 8


def test_where_every_edge_is_decided_none_competes() -> None:
    cells = DEFINITIONS["every edge"]
    space = cells.build()
    assert len(space.decisions) == 2 * 14
    assert all(one.names[0] == "none" and len(one.names) == 8 for one in space.decisions)
    assert cells.figures() == {"num_cells": 8**14, "num_reduction_cells": 8**14}
    assert cells.name == "darts_every_edge"
    assert definition("enas", every_edge=True).cell.output == "all", "no state is loose"


def test_spaces_that_are_no_genotypes_say_so() -> None:
    data = {"name": "sums", "kind": "cells", "resolution": 8, "num_classes": 2}
    for cell, reduction in (({"inputs": 1}, "cell"), ({"inputs": 2}, "block")):
        one = parse_definition(
            {**data, "cell": {**cell, "nodes": 1, "ops": ["skip"]}, "reduction": reduction}, source="test"
        )
        assert isinstance(one, CellsDefinition)
        with pytest.raises(SpaceError, match="normal and reduction cells, of two inputs each"):
            genotype_of(one, [], name="mine")


def test_another_network_around_the_cells_is_not_made_up() -> None:
    data = definition("darts").model_dump() | {"stages": 2}
    two = CellsDefinition.model_validate(data)
    space = two.build()
    names = code_names(space, space.sample(np.random.default_rng(0)))
    assert genotype_of(two, names, name="mine").stacks == {}
