"""A cell as YAML writes it: its inputs, nodes, edges, candidates and output."""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from fbsearch.spaces.cell_ops import KNOWN, cell_op
from fbsearch.spaces.cell_plans import CellPlan, EdgePlan
from fbsearch.spaces.definition import DefinitionPart


def _known(name: str) -> str:
    if cell_op(name) is None:
        raise ValueError(f"{name!r} is no operation of a cell; allowed are such as {KNOWN}")
    return name


Op = Annotated[str, AfterValidator(_known)]
Ops = Annotated[tuple[Op, ...], Field(min_length=1)]


class EdgeDefinition(DefinitionPart):
    """One edge of a cell.

    Args:
        source: index of the state that it begins at: the cell's inputs count from 0, its nodes follow.
        target: of the node that it leads to.
        ops: its candidates; None for the cell's own.
    """

    source: Annotated[int, Field(ge=0, strict=True)]
    target: Annotated[int, Field(ge=1, strict=True)]
    ops: Ops | None = None


class CellDefinition(DefinitionPart):
    """A cell.

    Args:
        inputs: previous cells that it takes the outputs of.
        nodes: inner nodes, each the sum of what its edges give.
        ops: candidates of every edge that names none.
        edges: None for one from every earlier state to every node.
        rule: ``all`` adds all edges of a node, ``chosen`` two whose sources are chosen too.
        output: the ``last`` node; ``all`` nodes, one after the other; the ``loose`` states, which no node
            takes; or a list of states.
    """

    inputs: Literal[1, 2] = 2
    nodes: Annotated[int, Field(ge=1, le=20, strict=True)]
    ops: Ops
    edges: Annotated[tuple[EdgeDefinition, ...], Field(min_length=1)] | None = None
    rule: Literal["all", "chosen"] = "all"
    output: Literal["last", "all", "loose"] | Annotated[tuple[int, ...], Field(min_length=1)] = "all"

    @model_validator(mode="after")
    def _fits_together(self) -> CellDefinition:
        if self.edges is not None and self.rule == "chosen":
            raise ValueError("with rule 'chosen' any state may be a source: leave 'edges' out")
        for edge in self.edges or ():
            if not self.inputs <= edge.target < self.num_states or edge.source >= edge.target:
                raise ValueError(
                    f"edge {edge.source} to {edge.target}: targets are {self.inputs} to "
                    f"{self.num_states - 1}, and the source must be a state before"
                )
        missing = set(range(self.inputs, self.num_states)) - {edge.target for edge in self.all_edges()}
        if missing:
            raise ValueError(f"no edge leads to node {min(missing)}")
        if isinstance(self.output, tuple) and not all(
            self.inputs <= one < self.num_states for one in self.output
        ):
            raise ValueError(f"output {list(self.output)}: nodes are {self.inputs} to {self.num_states - 1}")
        return self

    @property
    def num_states(self) -> int:
        """Inputs and nodes."""
        return self.inputs + self.nodes

    def all_edges(self) -> tuple[EdgeDefinition, ...]:
        """The edges, written out."""
        if self.edges is not None:
            return self.edges
        targets = range(self.inputs, self.num_states)
        return tuple(EdgeDefinition(source=s, target=t) for t in targets for s in range(t))

    def num_candidates(self) -> int:
        """Of all edges together."""
        if self.rule == "chosen":
            return 2 * len(self.ops) * sum(range(self.inputs, self.num_states))
        return sum(len(edge.ops or self.ops) for edge in self.all_edges())

    def num_cells(self) -> int:
        """How many cells there are: with two chosen edges per node, each of O ops from any earlier state,
        prod_k (O (k + 1))^2 over a cell of two inputs and nodes k = 1, 2, … (Radosavovic et al., 2019).
        """
        if self.rule == "chosen":
            return math.prod((len(self.ops) * target) ** 2 for target in range(self.inputs, self.num_states))
        return math.prod(len(edge.ops or self.ops) for edge in self.all_edges())

    def plan(self, output: tuple[int, ...]) -> CellPlan:
        """The cell with its output settled."""
        if self.rule == "chosen":
            edges = tuple(
                EdgePlan(f"{side}_{target}", target, tuple(product(range(target), self.ops)))
                for target in range(self.inputs, self.num_states)
                for side in ("left", "right")
            )
        else:
            edges = tuple(
                EdgePlan(
                    f"edge_{edge.source}_{edge.target}",
                    edge.target,
                    tuple((edge.source, op) for op in edge.ops or self.ops),
                )
                for edge in self.all_edges()
            )
        return CellPlan(self.inputs, edges, output)

    def fixed_output(self) -> tuple[int, ...]:
        """The states that the output joins, where that does not depend on the choices."""
        if isinstance(self.output, tuple):
            return self.output
        nodes = tuple(range(self.inputs, self.num_states))
        return nodes[-1:] if self.output == "last" else nodes
