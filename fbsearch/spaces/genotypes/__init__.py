"""Genotypes: cells as lists of edges, published ones by name, and the networks stacked of them."""

from fbsearch.spaces.genotypes.choosing import StackChanges, choose_stack
from fbsearch.spaces.genotypes.dead_ends import without_dead_ends
from fbsearch.spaces.genotypes.files import (
    genotype_names,
    is_genotype,
    load_genotype,
    parse_genotype,
    save_genotype,
)
from fbsearch.spaces.genotypes.genotype import CellGenotype, Genotype
from fbsearch.spaces.genotypes.reading import genotype_of
from fbsearch.spaces.genotypes.stack import Stack
from fbsearch.spaces.genotypes.stacking import auxiliary_place, stack_cells

__all__ = [
    "CellGenotype",
    "Genotype",
    "Stack",
    "StackChanges",
    "auxiliary_place",
    "choose_stack",
    "genotype_names",
    "genotype_of",
    "is_genotype",
    "load_genotype",
    "parse_genotype",
    "save_genotype",
    "stack_cells",
    "without_dead_ends",
]
