"""The files of a tree as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

PACKAGE = "fbsearch"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class StructureError(Exception):
    """The tree is not one that can be measured."""


class Source:
    """A file of Python.

    Args:
        path: of the file.
        root: of its tree.
    """

    def __init__(self, path: Path, root: Path) -> None:
        text = path.read_text(encoding="utf-8")
        relative = path.relative_to(root)
        self.place = relative.as_posix()
        self.stem = path.stem
        self.num_lines = len(text.splitlines())
        self.tree = ast.parse(text, filename=str(path))
        self.is_init = path.stem == "__init__"
        self.module = ".".join(relative.parent.parts if self.is_init else relative.with_suffix("").parts)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the syntax tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """Its classes that are no protocols."""
        found = (node for node in self.nodes if isinstance(node, ast.ClassDef))
        return tuple(node for node in found if "Protocol" not in map(last_name, node.bases))

    @cached_property
    def functions(self) -> tuple[tuple[Function, bool], ...]:
        """Its functions, and whether each is a method that is given its object or class."""
        return tuple(_functions(self.tree))

    @property
    def only_reexports(self) -> bool:
        """Whether it is an ``__init__.py`` with nothing but imports and ``__all__``: a table of contents."""
        allowed = (ast.Import, ast.ImportFrom, ast.Expr)
        rest = [node for node in self.tree.body if not isinstance(node, allowed)]
        return self.is_init and all(targets(node) == ["__all__"] for node in rest)


class Tree:
    """The files of a checkout.

    Args:
        root: the folder that holds ``fbsearch/``.

    Raises:
        StructureError: if it holds none, or a file that is no Python.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = self._sources(PACKAGE)
        if not self.package:
            raise StructureError(f"{root}: no {PACKAGE}/ with Python files; give the root of a checkout")
        self.tools = self._sources("tools")

    def _sources(self, folder: str) -> tuple[Source, ...]:
        try:
            return tuple(Source(path, self.root) for path in sorted((self.root / folder).rglob("*.py")))
        except SyntaxError as error:
            raise StructureError(f"{error.filename}:{error.lineno}: no Python: {error.msg}") from None

    def within(self, place: str) -> tuple[Source, ...]:
        """The package's files below a folder, or the one file, written without suffix from the root.

        Such a room may be one file in one tree and a folder in another.
        """
        found = (f"{place}.py", f"{place}/")
        return tuple(source for source in self.package if source.place.startswith(found))


def last_name(node: ast.AST) -> str:
    """``C`` of ``C``, ``a.C``, ``C[T]`` and ``C(…)``; empty for anything else."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def descendants(names: set[str], classes: dict[str, ast.ClassDef]) -> set[str]:
    """Names of the classes that derive from the named ones, directly or not, and these themselves."""
    found = set(names)
    while more := {name for name, node in classes.items() if found & set(map(last_name, node.bases))} - found:
        found |= more
    return found


def targets(node: ast.AST) -> list[str]:
    """Names that a statement assigns to."""
    if isinstance(node, ast.Assign):
        return [last_name(target) for target in node.targets]
    return [last_name(node.target)] if isinstance(node, ast.AnnAssign) else []


def strings(*nodes: ast.AST | None) -> Iterator[str]:
    """The string constants within nodes."""
    for node in nodes:
        for part in ast.walk(node) if node else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _functions(node: ast.AST) -> Iterator[tuple[Function, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            is_static = "staticmethod" in map(last_name, child.decorator_list)
            yield child, isinstance(node, ast.ClassDef) and not is_static
        yield from _functions(child)
