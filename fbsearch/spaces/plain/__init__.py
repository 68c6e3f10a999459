"""Plain spaces: chains of super-blocks, whose kinds, widths and depths are all free (Zen-NAS)."""

from fbsearch.spaces.plain.definition import PlainDefinition
from fbsearch.spaces.plain.networks import build_structure, find_structure, structure_of
from fbsearch.spaces.plain.space import PlainSpace
from fbsearch.spaces.plain.structure_string import is_structure_string, read_structure, write_structure
from fbsearch.spaces.plain.super_block import SuperBlock

__all__ = [
    "PlainDefinition",
    "PlainSpace",
    "SuperBlock",
    "build_structure",
    "find_structure",
    "is_structure_string",
    "read_structure",
    "structure_of",
    "write_structure",
]
