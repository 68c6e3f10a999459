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
from fbsearch.spaces.layerwise import LayerwiseDefinition
from fbsearch.spaces.named import load_architecture, named_architecture, named_architectures
from fbsearch.spaces.plain import (
    PlainDefinition,
    build_structure,
    find_structure,
    is_structure_string,
    read_structure,
)
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
    "LayerwiseDefinition",
    "PlainDefinition",
    "Space",
    "SpaceDefinition",
    "build_structure",
    "canonical",
    "code_names",
    "find_structure",
    "is_structure_string",
    "load_architecture",
    "load_definition",
    "load_space",
    "named_architecture",
    "named_architectures",
    "parse_definition",
    "preset_names",
    "read_structure",
    "require_factored",
    "space_kind",
]
