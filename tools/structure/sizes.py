"""How much there is of what: arguments, lines, files."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable

from tools.structure.measure import Measure, Place, percentile, worst_first
from tools.structure.sources import PACKAGE, Function, Tree

MAX_ARGUMENTS = 10
MANY_ARGUMENTS = 8
MANY_LINES = 500

_COMMANDS = f"{PACKAGE}/cli/"


def largest_argument_count(tree: Tree) -> Measure:
    """Apart from the command line, whose functions have an argument for every option."""
    places = tuple(one for one in _places(tree, num_arguments) if not one.where.startswith(_COMMANDS))
    return Measure("largest argument count", places[0].number, MAX_ARGUMENTS, places, "arguments")


def many_arguments(tree: Tree) -> Measure:
    """A function of sixteen arguments is a record that has no name yet; the command line counts here."""
    counts = [one.number for one in _places(tree, num_arguments)]
    share = sum(count >= MANY_ARGUMENTS for count in counts) / len(counts)
    return Measure(f"functions of {MANY_ARGUMENTS} or more arguments, per 1,000", 1000 * share)


def usual_length(tree: Tree) -> Measure:
    """Lines of a function, docstrings apart."""
    lengths = [one.number for one in _places(tree, _num_lines)]
    return Measure("lines of a function, median", statistics.median(lengths))


def extreme_length(tree: Tree) -> Measure:
    """Lines that one function of a hundred exceeds."""
    places = _places(tree, _num_lines)
    value = percentile([one.number for one in places], 99)
    return Measure("lines of a function, 99th percentile", value, None, places, "lines")


def num_files(tree: Tree) -> Measure:
    """Of the package."""
    return Measure("files", len(tree.package))


def num_lines(tree: Tree) -> Measure:
    """Of the package, blank ones and comments included."""
    return Measure("lines", sum(source.num_lines for source in tree.package))


def long_files(tree: Tree) -> Measure:
    """Files that ask for a split, those of the tools too."""
    sources = (*tree.package, *tree.tools)
    places = worst_first((one.place, one.num_lines) for one in sources if one.num_lines > MANY_LINES)
    return Measure(f"files over {MANY_LINES} lines, tools too", len(places), None, places, "lines")


def _places(tree: Tree, number: Callable[[Function, bool], int]) -> tuple[Place, ...]:
    """A number for every function of the package, the largest first."""
    return worst_first(
        (f"{source.place}:{function.lineno} {function.name}", number(function, is_method))
        for source in tree.package
        for function, is_method in source.functions
    )


def num_arguments(function: Function, is_method: bool) -> int:
    """Arguments that a caller may give; ``*args`` and ``**kwargs`` count one each."""
    given = function.args
    starred = [one for one in (given.vararg, given.kwarg) if one]
    return len([*given.posonlyargs, *given.args, *given.kwonlyargs, *starred]) - is_method


def _num_lines(function: Function, is_method: bool) -> int:
    """Without decorators and docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = _height(first) if has_docstring else 0
    return _height(function) - docstring


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
