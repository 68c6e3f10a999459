"""Edges and nodes of a genotype that nothing passes: what a strong penalty on resources leaves behind."""

from __future__ import annotations

from fbsearch.errors import ArchitectureError
from fbsearch.spaces.genotypes.genotype import NUM_INPUTS, CellGenotype, Edge, Genotype

_NO_EDGE = "none"


def without_dead_ends(genotype: Genotype) -> Genotype:
    """The genotype without edges that are ``none``, nodes that nothing reaches, and nodes that nobody takes.

    Nodes are counted anew, and the output joins only those that are left, so that whatever stands behind it
    is narrower. Inputs stay, also one that no edge takes: a cell fits both.

    Raises:
        ArchitectureError: if nothing is left of a cell's output.
    """
    cells = {
        kind: _live(cell, f"{kind} cell of {genotype.name!r}") for kind, cell in genotype.cells().items()
    }
    return genotype.model_copy(update=cells)


def _live(cell: CellGenotype, what: str) -> CellGenotype:
    edges = _reached(cell)
    taken = _taken(cell, edges)
    kept = [state for state in range(cell.num_states) if state < NUM_INPUTS or state in taken]
    number = {state: index for index, state in enumerate(kept)}
    concat = tuple(number[state] for state in cell.concat if state in number)
    nodes = tuple(tuple((op, number[source]) for op, source in edges[state]) for state in kept[NUM_INPUTS:])
    if not nodes or not concat:
        raise ArchitectureError(f"nothing reaches the output of the {what}: there is no network without it")
    return CellGenotype(nodes=nodes, concat=concat)


def _reached(cell: CellGenotype) -> dict[int, tuple[Edge, ...]]:
    """The edges of each node that something passes."""
    reached: dict[int, tuple[Edge, ...]] = {}
    for target, edges in enumerate(cell.nodes, start=NUM_INPUTS):
        live = tuple(
            edge for edge in edges if edge[0] != _NO_EDGE and (edge[1] < NUM_INPUTS or edge[1] in reached)
        )
        if live:
            reached[target] = live
    return reached


def _taken(cell: CellGenotype, edges: dict[int, tuple[Edge, ...]]) -> set[int]:
    """Nodes on the way to the output."""
    taken = {state for state in cell.concat if state in edges}
    for state in sorted(edges, reverse=True):
        if state in taken:
            taken.update(source for _, source in edges[state] if source in edges)
    return taken
