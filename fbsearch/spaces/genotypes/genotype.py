"""The genotype: which operation leads from which state to which node, in both kinds of cells."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from fbsearch.spaces.cell_conventions import ConventionsName
from fbsearch.spaces.cell_definition import Op
from fbsearch.spaces.cell_plans import CellPlan, EdgePlan
from fbsearch.spaces.definition import DefinitionPart
from fbsearch.spaces.genotypes.stack import Stack

NUM_INPUTS = 2
"""Of every cell: the outputs of the last cell but one, state 0, and of the last, state 1."""

State = Annotated[int, Field(ge=0, strict=True)]
Edge = tuple[Op, State]
"""An operation and the state that it begins at."""

Edges = Annotated[tuple[Edge, ...], Field(min_length=1, max_length=64)]


class CellGenotype(DefinitionPart):
    """One kind of cell; its states are the outputs of the last cell but one and of the last, then its nodes.

    Args:
        nodes: for each node the edges whose results it adds.
        concat: the states that the output joins, in this order.
    """

    nodes: Annotated[tuple[Edges, ...], Field(min_length=1, max_length=20)]
    concat: Annotated[tuple[State, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> CellGenotype:
        for target, edges in enumerate(self.nodes, start=NUM_INPUTS):
            late = [source for _, source in edges if source >= target]
            if late:
                raise ValueError(f"node {target} takes state {late[0]}, which is none before it")
        if not all(state < self.num_states for state in self.concat):
            raise ValueError(f"concat {list(self.concat)}: states are 0 to {self.num_states - 1}")
        if len(set(self.concat)) < len(self.concat):
            raise ValueError(f"concat {list(self.concat)} holds a state twice")
        return self

    @property
    def num_states(self) -> int:
        """Inputs and nodes."""
        return NUM_INPUTS + len(self.nodes)

    def plan(self) -> CellPlan:
        """The cell for those who build.

        Edges are called as those of a space are: ``left`` and ``right`` where no node has more than two, or
        else by both states.
        """
        in_pairs = all(len(edges) <= 2 for edges in self.nodes)
        plans = tuple(
            EdgePlan(
                f"{('left', 'right')[side]}_{target}" if in_pairs else _edge_name(edges, side, target),
                target,
                ((source, op),),
            )
            for target, edges in enumerate(self.nodes, start=NUM_INPUTS)
            for side, (op, source) in enumerate(edges)
        )
        return CellPlan(NUM_INPUTS, plans, self.concat)


class Genotype(DefinitionPart):
    """Both kinds of cells, and how networks are stacked of them.

    Args:
        name: letters, digits, ``-``, ``_`` and ``.``.
        about: where it is from; of no meaning.
        conventions: of ``darts`` or ``nasnet``: what parameters depend on and cells leave open.
        normal: keeps the resolution.
        reduction: halves it.
        stacks: networks by name; the first is built where nobody says which.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    about: str = ""
    conventions: ConventionsName = "darts"
    normal: CellGenotype
    reduction: CellGenotype
    stacks: dict[str, Stack] = Field(default_factory=dict)

    def cells(self) -> dict[str, CellGenotype]:
        """Both, by their kinds."""
        return {"normal": self.normal, "reduction": self.reduction}


def _edge_name(edges: tuple[Edge, ...], side: int, target: int) -> str:
    """By both states, and by its number among those that share them."""
    source = edges[side][1]
    number = sum(other == source for _, other in edges[:side])
    return f"edge_{source}_{target}" if number == 0 else f"edge{number}_{source}_{target}"
