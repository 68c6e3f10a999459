"""Spaces of cells: small graphs, the same in many places of a network (NASNet, DARTS, NAS-Bench-201)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fbsearch.architecture import Activation, Node, Operator
from fbsearch.spaces.cell_conventions import CONVENTIONS, ConventionsName, StemLayout
from fbsearch.spaces.cell_definition import CellDefinition
from fbsearch.spaces.cell_networks import CellNetwork
from fbsearch.spaces.cell_plans import EdgePlan, NetworkPlan, StemPlan
from fbsearch.spaces.choices import ChoiceSpace, chosen_nodes, fingerprint_of
from fbsearch.spaces.definition import (
    Count,
    DefinitionPart,
    SpaceDefinition,
    check_num_candidates,
    space_kind,
)
from fbsearch.spaces.factored import ProductSpace, sorted_nodes
from fbsearch.spaces.space import Code, Space


class CellStem(DefinitionPart):
    """What stands before the cells.

    Args:
        layout: a ``single`` convolution; three ``convolutions`` of stride 2 (DARTS, for ImageNet); or one of
            stride 2 without padding and two reduction ``cells`` (NASNet, for ImageNet).
        channels: of the last convolution.
        kernel, stride, activation: of a ``single`` one.
    """

    layout: StemLayout = "single"
    channels: Count = 16
    kernel: Count = 3
    stride: Literal[1, 2] = 1
    activation: Activation = "identity"

    @model_validator(mode="after")
    def _has_what_its_layout_has(self) -> CellStem:
        given = self.model_fields_set & {"kernel", "stride", "activation"}
        if self.layout != "single" and given:
            raise ValueError(f"{min(given)} has no meaning in a stem of layout {self.layout!r}: leave it out")
        return self

    def plan(self) -> StemPlan:
        """The same for those who build."""
        return StemPlan(self.layout, self.channels, self.kernel, self.stride, self.activation)


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
        conventions: of ``darts`` or ``nasnet``: how inputs are fitted, skips are halved, and how it ends.
    """

    kind: Literal["cells"]
    stem: CellStem = CellStem()
    channels: Count = 16
    stages: Annotated[int, Field(ge=1, le=20, strict=True)] = 3
    cells_per_stage: Annotated[int, Field(ge=1, le=100, strict=True)] = 2
    cell: CellDefinition
    reduction: Literal["cell", "block"] | CellDefinition = "cell"
    head: CellHead = CellHead()
    conventions: ConventionsName = "darts"

    @model_validator(mode="after")
    def _fits_together(self) -> CellsDefinition:
        reduction = self.reduction_cell
        if reduction is not None and reduction.inputs != self.cell.inputs:
            raise ValueError("normal and reduction cells must take as many inputs")
        if self.stem.layout == "cells" and reduction is None:
            raise ValueError(
                "a stem of reduction cells needs a reduction cell: give more stages or another stem"
            )
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

    def figures(self) -> dict[str, int]:
        """``num_cells``: how many normal cells there are; ``num_reduction_cells`` likewise."""
        names = {"normal": "num_cells", "reduction": "num_reduction_cells"}
        return {names[kind]: cell.num_cells() for kind, cell in self.cells().items()}

    def with_every_edge(self) -> CellsDefinition:
        """The same with an edge from every earlier state to every node, each of which is decided.

        That is the space of which a stochastic search samples (SNAS): a child keeps all edges, and only
        where ``none`` is chosen there is no connection. Each node takes all before it, so that no state is
        loose: the output joins all nodes in its place.
        """
        data = self.model_dump(mode="json")
        for name in ("cell", "reduction"):
            if isinstance(data[name], dict):
                data[name]["rule"] = "all"
                data[name]["output"] = "all" if data[name]["output"] == "loose" else data[name]["output"]
        return CellsDefinition.model_validate(_without_defaults(data) | {"name": f"{self.name}_every_edge"})

    def network(self, outputs: Mapping[str, tuple[int, ...]], *, narrowed: bool = False) -> CellNetwork:
        """The network with its cells' outputs settled; ``narrowed`` to one candidate of each edge."""
        cells = {name: cell.plan(outputs[name]) for name, cell in self.cells().items()}
        plan = NetworkPlan(
            resolution=self.resolution,
            in_channels=self.in_channels,
            num_classes=self.num_classes,
            stem=self.stem.plan(),
            head=(self.head.channels, self.head.activation),
            channels=self.channels,
            stage_cells=(self.cells_per_stage,) * self.stages,
            conventions=CONVENTIONS[self.conventions],
        )
        return CellNetwork(plan, {name: one.narrowed() if narrowed else one for name, one in cells.items()})

    def _build(self) -> Space:
        cells = self.cells()
        fingerprint = fingerprint_of(_without_defaults(self.model_dump(mode="json", exclude={"name"})))
        network = self.network({name: cell.fixed_output() for name, cell in cells.items()})
        if any(cell.output == "loose" for cell in cells.values()):
            return LooseCellSpace(self.name, network.decisions(), fingerprint, self)
        return ProductSpace(self.name, network.decisions(), fingerprint, network.fixed())


def _without_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """A definition without those fields that are younger than the first tables, where they say nothing new.

    So spaces keep the fingerprints by which their tables know them.
    """
    kept = {name: value for name, value in data.items() if (name, value) != ("conventions", "darts")}
    if data["stem"]["layout"] == "single":
        return kept | {"stem": {name: value for name, value in data["stem"].items() if name != "layout"}}
    convolution = ("kernel", "stride", "activation")
    return kept | {"stem": {name: value for name, value in data["stem"].items() if name not in convolution}}


Outputs = tuple[tuple[str, tuple[int, ...]], ...]
"""The states that each kind of cell joins."""


@dataclass(frozen=True)
class LooseCellSpace(ChoiceSpace):
    """Cells whose outputs join the states that no node takes: the widths behind them depend on the choices.

    Args:
        definition: of the cells.
    """

    definition: CellsDefinition

    def operators(self) -> tuple[Operator, ...]:
        """Every distinct operator: of the networks with every number of loose states.

        That number changes what stands around the edges alone: their inputs have been fitted.
        """
        cells = self.definition.cells()
        counts = [range(1, cell.num_states + 1) for cell in cells.values()]
        found: dict[Operator, None] = {}
        for numbers in product(*counts):
            outputs = {
                name: tuple(range(cell.num_states - number, cell.num_states))
                for (name, cell), number in zip(cells.items(), numbers, strict=True)
            }
            network = self.definition.network(outputs, narrowed=bool(found))
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
        return sorted_nodes((*_fixed_nodes(self.definition, self._outputs(code)), *chosen))

    def _outputs(self, code: Code) -> Outputs:
        """The states that each kind of cell joins."""
        names = dict(zip((one.name for one in self.decisions), self.choice_names(code), strict=True))
        cells = self.definition.cells().items()
        return tuple((name, joined_states(name, cell, names)) for name, cell in cells)


@lru_cache(maxsize=256)
def _fixed_nodes(definition: CellsDefinition, outputs: Outputs) -> tuple[Node, ...]:
    """What does not depend on the choices once the outputs are settled; samples share outputs often."""
    return definition.network(dict(outputs), narrowed=True).fixed()


def joined_states(kind: str, cell: CellDefinition, choices: Mapping[str, str]) -> tuple[int, ...]:
    """The states that a cell's output joins.

    Args:
        kind: ``normal`` or ``reduction``.
        cell: that kind.
        choices: names of the chosen candidates, ``OP`` or ``SOURCE:OP``, by their decisions' names.
    """
    if cell.output != "loose":
        return cell.fixed_output()
    if cell.rule == "chosen":
        edges: Sequence[EdgePlan] = cell.plan(()).edges
        taken = {int(choices[f"{kind}/{edge.name}"].partition(":")[0]) for edge in edges}
    else:
        taken = {edge.source for edge in cell.all_edges()}
    return tuple(state for state in range(cell.num_states) if state not in taken)
