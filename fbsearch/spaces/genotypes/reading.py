"""From choices in a cell space to a genotype: what was found small can be stacked deeper and wider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbsearch.errors import SpaceError
from fbsearch.spaces.cell_conventions import CONVENTIONS
from fbsearch.spaces.cell_definition import CellDefinition
from fbsearch.spaces.cells import CellHead, CellsDefinition, CellStem, joined_states
from fbsearch.spaces.genotypes.genotype import NUM_INPUTS, CellGenotype, Edge, Genotype
from fbsearch.spaces.genotypes.stack import NUM_STAGES, Stack

_PLAIN_STEM = CellStem().model_dump(exclude={"channels"})


def genotype_of(definition: CellsDefinition, choice_names: Sequence[str], *, name: str) -> Genotype:
    """The genotype of choices in a space of cells.

    Args:
        definition: of the space.
        choice_names: of the chosen candidates, one per decision, as the space's ``choice_names`` gives them.
        name: of the genotype.

    Raises:
        SpaceError: if the space's cells take one input, or it has no reduction cell, as no genotype says so.
    """
    cells = definition.cells()
    if set(cells) != {"normal", "reduction"} or any(cell.inputs != NUM_INPUTS for cell in cells.values()):
        raise SpaceError(
            f"space {definition.name!r}: a genotype has normal and reduction cells, of two inputs each"
        )
    decisions = [f"{kind}/{edge.name}" for kind, cell in cells.items() for edge in cell.plan(()).edges]
    choices = dict(zip(decisions, choice_names, strict=True))
    read = {kind: _cell(kind, cell, choices) for kind, cell in cells.items()}
    return Genotype(name=name, conventions=definition.conventions, **read, stacks=_stacks(definition))


def _cell(kind: str, cell: CellDefinition, choices: Mapping[str, str]) -> CellGenotype:
    nodes: dict[int, list[Edge]] = {target: [] for target in range(cell.inputs, cell.num_states)}
    for edge in cell.plan(()).edges:
        first, _, op = choices[f"{kind}/{edge.name}"].rpartition(":")
        source = int(first) if first else edge.choices[0][0]
        nodes[edge.target].append((op, source))
    return CellGenotype(nodes=tuple(map(tuple, nodes.values())), concat=joined_states(kind, cell, choices))


def _stacks(definition: CellsDefinition) -> dict[str, Stack]:
    """The network that was searched, where it is one that genotypes are stacked to."""
    is_plain = definition.stem.model_dump(exclude={"channels"}) == _PLAIN_STEM
    if definition.stages != NUM_STAGES or not is_plain or definition.head.channels != CellHead().channels:
        return {}
    counts_reductions = CONVENTIONS[definition.conventions].counts_reductions
    stack = Stack(
        cells=NUM_STAGES * definition.cells_per_stage + (NUM_STAGES - 1) * counts_reductions,
        channels=definition.channels,
        resolution=definition.resolution,
        in_channels=definition.in_channels,
        num_classes=definition.num_classes,
        stem="cifar",
        stem_channels=definition.stem.channels,
    )
    return {"searched": stack}
