"""Spaces of cells: small graphs, the same in many places of a network (NASNet, DARTS, NAS-Bench-201)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from fbsearch.architecture import Activation, Node, Operator
from fbsearch.spaces.cell_networks import CellNetwork, CellPlan, EdgePlan, NetworkPlan
from fbsearch.spaces.cell_ops import KNOWN, cell_op
from fbsearch.spaces.choices import ChoiceSpace, chosen_nodes, fingerprint_of
from fbsearch.spaces.definition import (
    Count,
    DefinitionPart,
    SpaceDefinition,
    check_num_candidates,
    space_kind,
)
from fbsearch.spaces.factored import ProductSpace, sort_topologically
from fbsearch.spaces.space import Code, Space


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


class CellStem(DefinitionPart):
    """The convolution before the cells."""

    channels: Count = 16
    kernel: Count = 3
    stride: Literal[1, 2] = 1
    activation: Activation = "identity"


class CellHead(DefinitionPart):
    """The 1x1 convolution before pooling and classifier; 0 channels leave it out."""

    channels: Annotated[int, Field(ge=0, strict=True)] = 0
    activation: Activation = "relu"


@space_kind("cells")
class CellsDefinition(SpaceDefinition):
    """A space of cells, field by field (see docs/spaces.md).

    Args:
        stem: before the cells.
        channels: of the first stage's cells; each later stage doubles them.
        stages: between two of them the resolution is halved.
        cells_per_stage: normal cells of each stage.
        cell: the normal cell.
        reduction: what halves the resolution: a ``cell`` as the normal one, with choices of its own; a
            definition of another cell; or a fixed residual ``block``.
        head: after the cells.
    """

    kind: Literal["cells"]
    stem: CellStem = CellStem()
    channels: Count = 16
    stages: Annotated[int, Field(ge=1, le=20, strict=True)] = 3
    cells_per_stage: Annotated[int, Field(ge=1, le=100, strict=True)] = 2
    cell: CellDefinition
    reduction: Literal["cell", "block"] | CellDefinition = "cell"
    head: CellHead = CellHead()

    @model_validator(mode="after")
    def _fits_together(self) -> CellsDefinition:
        reduction = self.reduction_cell
        if reduction is not None and reduction.inputs != self.cell.inputs:
            raise ValueError("normal and reduction cells must take as many inputs")
        num_cells = self.stages * self.cells_per_stage
        num_reductions = 0 if reduction is None else self.stages - 1
        check_num_candidates(
            num_cells * self.cell.num_candidates()
            + num_reductions * (0 if reduction is None else reduction.num_candidates())
        )
        return self

    @property
    def reduction_cell(self) -> CellDefinition | None:
        """The reduction cell, or None where a block halves the resolution or nothing does."""
        if self.stages == 1 or self.reduction == "block":
            return None
        return self.cell if self.reduction == "cell" else self.reduction

    def cells(self) -> dict[str, CellDefinition]:
        """The cells that are searched, by the first word of their decisions."""
        reduction = self.reduction_cell
        return {"normal": self.cell} | ({} if reduction is None else {"reduction": reduction})

    def network(self, outputs: Mapping[str, tuple[int, ...]]) -> CellNetwork:
        """The network with its cells' outputs settled."""
        plan = NetworkPlan(
            resolution=self.resolution,
            in_channels=self.in_channels,
            num_classes=self.num_classes,
            stem=(self.stem.channels, self.stem.kernel, self.stem.stride, self.stem.activation),
            head=(self.head.channels, self.head.activation),
            channels=self.channels,
            stages=self.stages,
            cells_per_stage=self.cells_per_stage,
        )
        return CellNetwork(plan, {name: cell.plan(outputs[name]) for name, cell in self.cells().items()})

    def _build(self) -> Space:
        cells = self.cells()
        fingerprint = fingerprint_of(self.model_dump(mode="json", exclude={"name"}))
        network = self.network({name: cell.fixed_output() for name, cell in cells.items()})
        if any(cell.output == "loose" for cell in cells.values()):
            return LooseCellSpace(self.name, network.decisions(), fingerprint, self)
        return ProductSpace(self.name, network.decisions(), fingerprint, network.fixed())


@dataclass(frozen=True)
class LooseCellSpace(ChoiceSpace):
    """Cells whose outputs join the states that no node takes: the widths behind them depend on the choices.

    Args:
        definition: of the cells.
    """

    definition: CellsDefinition

    def operators(self) -> tuple[Operator, ...]:
        """Every distinct operator: of the networks with every number of loose states."""
        cells = self.definition.cells()
        counts = [range(1, cell.num_states + 1) for cell in cells.values()]
        found: dict[Operator, None] = {}
        for numbers in product(*counts):
            outputs = {
                name: tuple(range(cell.num_states - number, cell.num_states))
                for (name, cell), number in zip(cells.items(), numbers, strict=True)
            }
            network = self.definition.network(outputs)
            found |= dict.fromkeys(node.operator for node in network.fixed())
            found |= dict.fromkeys(
                node.operator
                for one in network.decisions()
                for choice in one.candidates
                for node in choice.nodes
            )
        return tuple(found)

    def _nodes(self, code: Code) -> tuple[Node, ...]:
        chosen = chosen_nodes(self.decisions, code)
        fixed = self.definition.network(self._outputs(code)).fixed()
        nodes = {node.name: node for node in (*fixed, *chosen)}
        order = sort_topologically({name: node.inputs for name, node in nodes.items()})
        return tuple(nodes[name] for name in order)

    def _outputs(self, code: Code) -> dict[str, tuple[int, ...]]:
        """The states that each kind of cell joins."""
        names = dict(zip((one.name for one in self.decisions), self.choice_names(code), strict=True))
        return {
            name: _loose_states(name, cell, names) if cell.output == "loose" else cell.fixed_output()
            for name, cell in self.definition.cells().items()
        }


def _loose_states(kind: str, cell: CellDefinition, choices: Mapping[str, Any]) -> tuple[int, ...]:
    """The states that no node takes; a chosen candidate is called ``SOURCE:OP``."""
    if cell.rule == "chosen":
        edges: Sequence[EdgePlan] = cell.plan(()).edges
        taken = {int(choices[f"{kind}/{edge.name}"].partition(":")[0]) for edge in edges}
    else:
        taken = {edge.source for edge in cell.all_edges()}
    return tuple(state for state in range(cell.num_states) if state not in taken)
