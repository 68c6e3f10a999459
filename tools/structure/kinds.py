"""Who asks for an operator's kind by name: each such file would have to learn of another kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.structure.measure import Measure, worst_first
from tools.structure.sources import (
    PACKAGE,
    Source,
    StructureError,
    Tree,
    descendants,
    last_name,
    strings,
    targets,
)

OPERATORS = f"{PACKAGE}/architecture/operators"
ONE_FILE = f"{PACKAGE}/architecture/operator"
"""Where every kind was defined before there was a file for each."""

_COLLECTIONS = ("frozenset", "set", "tuple", "list", "dict", "MappingProxyType")


@dataclass(frozen=True)
class Kinds:
    """The operators that there are.

    Args:
        words: the first word of a kind's key → stems of the files that define it.
        classes: the name of a kind's class → the same.
    """

    words: dict[str, set[str]]
    classes: dict[str, set[str]]

    def may_ask(self, source: Source, name: str) -> bool:
        """Whether a file is a kind's own: called as its definition or its word, in whichever room."""
        return source.stem in {name, *self.words.get(name, ()), *self.classes.get(name, ())}


def kind_askers(tree: Tree) -> Measure:
    """Files, other than a kind's own, that ask for it.

    To build an operator, or to register a function for its class (``singledispatch``), is not to ask.
    """
    kinds = operator_kinds(tree)
    found = {source.place: sorted(set(Asker(source, kinds).lines())) for source in tree.package}
    places = worst_first(
        (f"{place}:{','.join(map(str, lines))}", len(lines)) for place, lines in found.items() if lines
    )
    return Measure("files that ask for an operator's kind", len(places), 0, places, "times")


def operator_kinds(tree: Tree) -> Kinds:
    """Words and classes of the registered kinds.

    Raises:
        StructureError: if there are none, as when the room has moved: a count of 0 would then say nothing.
    """
    family = tree.within(OPERATORS) or tree.within(ONE_FILE)
    defined = {node.name: (node, source.stem) for source in family for node in source.classes}
    concrete = descendants({"Operator"}, {name: node for name, (node, _) in defined.items()})
    words: dict[str, set[str]] = {}
    for source in family:
        for word in _registered_words(source):
            words.setdefault(word, set()).add(source.stem)
    if not words:
        raise StructureError(f"{tree.root}: no kinds of operators in {OPERATORS}; mend operator_kinds()")
    # To ask whether something is an operator is to ask for no kind.
    return Kinds(words, {name: {defined[name][1]} for name in concrete - {"Operator"}})


def _registered_words(source: Source) -> Iterator[str]:
    """Strings of classes' decorators, keywords and ``kind = …``, of ``register…(…)``, of OperatorKind."""
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            yield from strings(*node.decorator_list, *(keyword.value for keyword in node.keywords))
            named = (part for part in node.body if {"kind", "word"} & {t.lower() for t in targets(part)})
            yield from strings(*(getattr(part, "value", None) for part in named))
        elif isinstance(node, ast.Call) and last_name(node).startswith("register"):
            yield from strings(*node.args)
        elif "OperatorKind" in targets(node):
            yield from strings(getattr(node, "value", None))


class Asker:
    """Finds where a file asks which kind an operator is.

    That is: a kind, a key or a type is compared with a kind (``op.kind == "conv"``, ``type(op) is Conv``,
    ``op.key.startswith("conv_")``) or looked up among kinds (``{"conv": 1}[op.kind]``); ``isinstance`` of a
    kind's class; a ``case`` that names a word or a class.
    """

    def __init__(self, source: Source, kinds: Kinds) -> None:
        self._source, self._kinds = source, kinds
        self._classes = set(kinds.classes) - set(_names_of_others(source))
        self._constants: dict[str, set[str]] = {}
        for statement in source.tree.body:
            for name in targets(statement):
                self._constants[name] = self._named(getattr(statement, "value", None))

    def lines(self) -> Iterator[int]:
        """The line of every question for a kind that is not this file's own; a line may come twice."""
        for node in self._source.nodes:
            if not all(self._kinds.may_ask(self._source, name) for name in self._asked(node)):
                yield (node.pattern if isinstance(node, ast.match_case) else node).lineno  # type: ignore[attr-defined]

    def _asked(self, node: ast.AST) -> set[str]:
        """The kinds that a node asks for."""
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            return self._named(*sides) if any(map(_tells_kind, sides)) else set()
        if isinstance(node, ast.Subscript):
            return self._named(node.value) if _tells_kind(node.slice) else set()
        if isinstance(node, ast.Call):
            return self._asked_by_call(node)
        if isinstance(node, ast.match_case):
            return self._asked_by_pattern(node.pattern)
        return set()

    def _asked_by_call(self, node: ast.Call) -> set[str]:
        function = last_name(node)
        if function in ("isinstance", "issubclass") and len(node.args) == 2:
            return self._named(node.args[1])
        if not isinstance(node.func, ast.Attribute) or not node.args:
            return set()
        if function in ("startswith", "removeprefix") and _tells_kind(node.func.value):
            return {text.split("_")[0] for text in strings(node.args[0])} & set(self._kinds.words)
        if function == "get" and _tells_kind(node.args[0]):
            return self._named(node.func.value)
        return set()

    def _asked_by_pattern(self, pattern: ast.pattern) -> set[str]:
        parts = list(ast.walk(pattern))
        values = (part.value for part in parts if isinstance(part, ast.MatchValue))
        return self._named(*values, *(part.cls for part in parts if isinstance(part, ast.MatchClass)))

    def _named(self, *nodes: ast.AST | None) -> set[str]:
        """The kinds that expressions are: words, classes, collections of them, constants that hold such."""
        return set().union(*(self._named_by(node) for node in nodes if node))

    def _named_by(self, node: ast.AST) -> set[str]:
        if isinstance(node, ast.Constant):
            return {node.value} & set(self._kinds.words) if isinstance(node.value, str) else set()
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return self._named(*node.elts)
        if isinstance(node, ast.Dict):
            return self._named(*node.keys)
        if isinstance(node, ast.BinOp):  # Conv | MBConv
            return self._named(node.left, node.right)
        if isinstance(node, ast.Call):
            return self._named(*node.args) if last_name(node) in _COLLECTIONS else set()
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = last_name(node)
            return self._constants.get(name, set()) | {name} & self._classes
        return set()


def _names_of_others(source: Source) -> Iterator[str]:
    """Names that mean something else in a file: its own classes, imports from outside the operators' room."""
    room = OPERATORS.rpartition("/")[0].replace("/", ".")
    yield from (node.name for node in source.classes if not source.place.startswith(OPERATORS))
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(room):
            yield from (alias.asname or alias.name for alias in node.names)


def _tells_kind(node: ast.AST) -> bool:
    """Whether an expression is about a kind: something is called kind or key, or is the type of something."""
    return any(_says_kind(part) for part in ast.walk(node))


def _says_kind(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return bool(node.value == "kind")
    name = last_name(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
    return name.lower().endswith(("kind", "key")) or name in ("type", "__class__", "__name__")
