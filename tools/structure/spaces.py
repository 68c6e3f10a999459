"""Who names a space's class: each such file would have to learn of another space."""

from __future__ import annotations

import ast
import re

from tools.structure.measure import Measure, worst_first
from tools.structure.sources import PACKAGE, Source, StructureError, Tree, descendants, last_name

SPACES = f"{PACKAGE}/spaces"
MAX_FILES = 8


def space_namers(tree: Tree) -> Measure:
    """Files outside the spaces' own room that name a concrete space."""
    names = space_classes(tree)
    definitions = tree.within(SPACES)
    counts = [
        (source.place, count_names(source, names)) for source in tree.package if source not in definitions
    ]
    places = worst_first(one for one in counts if one[1])
    return Measure("files that name a concrete space class", len(places), MAX_FILES, places, "times")


def space_classes(tree: Tree) -> set[str]:
    """Names of the concrete spaces: classes of the room, no protocols, that decode or are called a space.

    Raises:
        StructureError: if there are none, as when the room has moved: a count of 0 would then say nothing.
    """
    classes = {node.name: node for source in tree.within(SPACES) for node in source.classes}
    names = {name for name, node in classes.items() if name.endswith("Space") or _decodes(node)}
    if not names:
        raise StructureError(f"{tree.root}: no class in {SPACES} is a space; mend space_classes()")
    return descendants(names, classes)


def _decodes(node: ast.ClassDef) -> bool:
    return any(isinstance(part, ast.FunctionDef) and part.name == "decode" for part in node.body)


def count_names(source: Source, names: set[str]) -> int:
    """How often names stand in a file's code, imports and quoted types included, docstrings not."""
    prose = {node.value for node in source.nodes if isinstance(node, ast.Expr)}
    code = (node for node in source.nodes if not (isinstance(node, ast.Constant) and node in prose))
    return sum(len(names & _words(node)) for node in code)


def _words(node: ast.AST) -> set[str]:
    if isinstance(node, ast.alias):
        return {node.name}
    if isinstance(node, ast.Constant):
        return set(re.findall(r"\w+", node.value)) if isinstance(node.value, str) else set()
    return {last_name(node)} if isinstance(node, (ast.Name, ast.Attribute)) else set()
