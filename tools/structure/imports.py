"""Who imports whom: how many modules a file needs, and which need each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.structure.measure import Measure, percentile, worst_first
from tools.structure.sources import Source, Tree, last_name

MAX_FAN_OUT = 14


@dataclass(frozen=True)
class Import:
    """An import of one of our own modules.

    Args:
        module: what is imported; a package where the name is one that it re-exports.
        is_deferred: it stands in a function or under TYPE_CHECKING: nothing happens when the file is loaded.
    """

    module: str
    is_deferred: bool


def largest_fan_out(tree: Tree) -> Measure:
    """A file that imports twenty others is a table of contents that nobody wrote down."""
    places = worst_first(_fan_outs(tree).items())
    return Measure("largest fan-out", places[0].number, MAX_FAN_OUT, places, "modules imported")


def usual_fan_out(tree: Tree) -> Measure:
    """The same for nine files of ten."""
    return Measure("fan-out, 90th percentile", percentile(_fan_outs(tree).values(), 90))


def _fan_outs(tree: Tree) -> dict[str, int]:
    """Modules of ours that each file of the package imports anywhere; files that only re-export apart."""
    imports = imports_of(tree)
    return {
        source.place: len({one.module for one in imports[source.module]})
        for source in tree.package
        if not source.only_reexports
    }


def runtime_cycles(tree: Tree) -> Measure:
    """Modules that load each other as they are loaded."""
    return _cycles("import cycles as files are loaded", tree, deferred=False)


def all_cycles(tree: Tree) -> Measure:
    """Modules that know each other, though an import waits for a call or serves types alone."""
    return _cycles("import cycles, deferred imports too", tree, deferred=True)


def _cycles(name: str, tree: Tree, *, deferred: bool) -> Measure:
    graph = {
        module: {one.module for one in imports if deferred or not one.is_deferred}
        for module, imports in imports_of(tree).items()
    }
    found = [sorted(circle) for circle in circles(graph)]
    places = worst_first((" <-> ".join(circle), len(circle)) for circle in found)
    return Measure(name, len(found), 0, places, "modules")


def imports_of(tree: Tree) -> dict[str, tuple[Import, ...]]:
    """What each module of a tree imports of our own."""
    sources = (*tree.package, *tree.tools)
    modules = {source.module for source in sources}
    return {source.module: tuple(_imports(source, modules)) for source in sources}


def _imports(source: Source, modules: set[str]) -> Iterator[Import]:
    deferred = set(_deferred(source.tree))
    for node in source.nodes:
        for module in _imported(node, source) if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            found = module if module in modules else module.rpartition(".")[0]
            if found in modules:
                yield Import(found, node in deferred)


def _imported(node: ast.Import | ast.ImportFrom, source: Source) -> set[str]:
    """Full names that a statement imports: of modules, or of what modules hold."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    parts = source.module.split(".")
    parents = parts[: len(parts) - node.level + source.is_init] if node.level else []
    base = [*parents, *([node.module] if node.module else [])]
    return {".".join([*base, alias.name]) for alias in node.names}


def _deferred(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes below ``node`` that do not run when the file is loaded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from ast.walk(child)
        elif isinstance(child, ast.If) and last_name(child.test) == "TYPE_CHECKING":
            for statement in child.body:
                yield from ast.walk(statement)
        else:
            yield from _deferred(child)


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of nodes of which each leads to all; a node that leads to itself is one, too."""
    reached = {node: _reached_from(node, graph) for node in graph}
    found = {frozenset(other for other in reached[node] if node in reached[other]) for node in graph}
    return [set(circle) for circle in found if circle]


def _reached_from(start: str, graph: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached
