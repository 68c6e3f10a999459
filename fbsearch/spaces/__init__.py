"""What may be chosen: search spaces, and published architectures within them."""

from fbsearch.spaces.cells import CellsDefinition
from fbsearch.spaces.definition import (
    SpaceDefinition,
    load_definition,
    load_space,
    parse_definition,
    preset_names,
    space_kind,
)
from fbsearch.spaces.genotypes import (
    Genotype,
    Stack,
    StackChanges,
    auxiliary_place,
    choose_stack,
    genotype_names,
    genotype_of,
    is_genotype,
    load_genotype,
    parse_genotype,
    save_genotype,
    stack_cells,
    without_dead_ends,
)
from fbsearch.spaces.layerwise import LayerwiseDefinition
from fbsearch.spaces.named import load_architecture, named_architecture, named_architectures
from fbsearch.spaces.space import (
    Candidate,
    Code,
    Decision,
    FactoredSpace,
    Space,
    canonical,
    code_names,
    require_factored,
)

__all__ = [
    "Candidate",
    "CellsDefinition",
    "Code",
    "Decision",
    "FactoredSpace",
    "Genotype",
    "LayerwiseDefinition",
    "Space",
    "SpaceDefinition",
    "Stack",
    "StackChanges",
    "auxiliary_place",
    "canonical",
    "choose_stack",
    "code_names",
    "genotype_names",
    "genotype_of",
    "is_genotype",
    "load_architecture",
    "load_definition",
    "load_genotype",
    "load_space",
    "named_architecture",
    "named_architectures",
    "parse_definition",
    "parse_genotype",
    "preset_names",
    "require_factored",
    "save_genotype",
    "space_kind",
    "stack_cells",
    "without_dead_ends",
]
