"""What may be chosen: search spaces, and published architectures within them."""

from fbsearch.spaces.definition import (
    SpaceDefinition,
    load_definition,
    load_space,
    parse_definition,
    preset_names,
)
from fbsearch.spaces.layerwise import LayerwiseSpace, Slot
from fbsearch.spaces.named import load_architecture, named_architecture, named_architectures

__all__ = [
    "LayerwiseSpace",
    "Slot",
    "SpaceDefinition",
    "load_architecture",
    "load_definition",
    "load_space",
    "named_architecture",
    "named_architectures",
    "parse_definition",
    "preset_names",
]
