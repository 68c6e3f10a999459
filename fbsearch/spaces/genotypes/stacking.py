"""From a genotype to an architecture: the same cells, stacked as deep and as wide as wanted."""

from __future__ import annotations

from fbsearch.architecture import Architecture
from fbsearch.errors import ArchitectureError, SpaceError
from fbsearch.spaces.cell_conventions import CONVENTIONS
from fbsearch.spaces.cell_networks import CellNetwork
from fbsearch.spaces.cell_plans import NetworkPlan
from fbsearch.spaces.factored import sorted_nodes
from fbsearch.spaces.genotypes.genotype import Genotype
from fbsearch.spaces.genotypes.stack import Stack


def stack_cells(genotype: Genotype, stack: Stack, *, name: str | None = None) -> Architecture:
    """The network: stem, normal cells, a reduction cell between stages, classifier.

    Args:
        genotype: of the cells.
        stack: of the network.
        name: of the architecture; None for the genotype's.

    Raises:
        ArchitectureError: if an operator cannot be built, such as a stem of an odd width.
    """
    network = _network(genotype, stack)
    try:
        chosen = [node for one in network.decisions() for node in one.candidates[0].nodes]
        nodes = sorted_nodes((*network.fixed(), *chosen))
    except SpaceError as error:
        raise ArchitectureError(f"genotype {genotype.name!r}: {error}") from None
    return Architecture(name or genotype.name, nodes)


def auxiliary_place(genotype: Genotype, stack: Stack) -> str | None:
    """The node whose output an auxiliary head takes while the network is trained.

    DARTS puts it behind the second reduction cell, NASNet behind the normal cell before that. The head
    itself is no part of the architecture, and never of what is counted or exported.
    """
    return _network(genotype, stack).auxiliary_place


def _network(genotype: Genotype, stack: Stack) -> CellNetwork:
    conventions = CONVENTIONS[genotype.conventions]
    plan = NetworkPlan(
        resolution=stack.resolution,
        in_channels=stack.in_channels,
        num_classes=stack.num_classes,
        stem=stack.stem_plan(conventions),
        head=(0, "identity"),
        channels=stack.channels,
        stage_cells=stack.stage_cells(conventions),
        conventions=conventions,
        skips_reduction_input=stack.skips_reduction_input,
    )
    return CellNetwork(plan, {kind: cell.plan() for kind, cell in genotype.cells().items()})
