"""The cells of an architecture, each that differs from the others once, as graphs to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fbsearch.architecture import Architecture, Node, Operator
from fbsearch.reports.drawings.layers import look_up
from fbsearch.reports.drawings.sketches import sketch
from fbsearch.reports.formatting import format_ms

PartKind = Literal["input", "operator", "state"]
Latency = Callable[[Operator], float]
"""An operator's, in microseconds, in a table."""

_OUTSIDE = "in_0"
"""What a cell of one input takes; where it fits as it is, no node of the cell has this name."""


@dataclass(frozen=True)
class CellPart:
    """What is drawn of a cell: an input, an operator or a state, where operators meet.

    Args:
        name: within the cell.
        kind: of the three.
        label: short, for people.
        sources: names of the parts that it takes.
        title: of an operator, its key and its latency at each of its places, a line each.
        colour: style of an operator's kernel.
        is_idle: whether nobody takes what it gives, so that no exported model computes it.
    """

    name: str
    kind: PartKind
    label: str
    sources: tuple[str, ...]
    title: str = ""
    colour: str = ""
    is_idle: bool = False


@dataclass(frozen=True)
class CellGraph:
    """A cell, wherever it stands.

    Args:
        title: such as ``Normal cell``.
        places: numbers of the cells that are this one, counted from 1.
        parts: each behind those that it takes; the last gives the cell's output.
    """

    title: str
    places: tuple[int, ...]
    parts: tuple[CellPart, ...]


def distinct_cells(architecture: Architecture, latency_us: Latency | None) -> tuple[CellGraph, ...]:
    """The cells of an architecture in order of first use; a part that is one block is none.

    Args:
        architecture: whose nodes of a cell are called ``cells/NUMBER/NAME``.
        latency_us: the table's look-up; None without a table.
    """
    computing = {node.name for node in architecture.computing_nodes}
    alike: dict[object, dict[int, list[Node]]] = {}
    for number, nodes in _cells(architecture).items():
        if len(nodes) > 1:
            alike.setdefault(_looks(nodes), {})[number] = nodes
    return tuple(_graph(places, computing, latency_us) for places in alike.values())


def _cells(architecture: Architecture) -> dict[int, list[Node]]:
    """Their nodes by number, counted from 1."""
    cells: dict[int, list[Node]] = {}
    for node in architecture.nodes:
        group, _, rest = node.name.partition("/")
        if group == "cells":
            cells.setdefault(int(rest.partition("/")[0]) + 1, []).append(node)
    return cells


def _looks(nodes: Sequence[Node]) -> object:
    """What drawings of cells have in common: only their inputs are fitted as each place needs."""
    inside = {node.name for node in nodes}
    return tuple(
        (_local(node.name), node.operator.label, _sources(node, inside))
        for node in nodes
        if not _is_input(node)
    )


def _graph(
    places: Mapping[int, Sequence[Node]], computing: Collection[str], latency_us: Latency | None
) -> CellGraph:
    nodes = max(places.values(), key=len)  # one whose inputs are fitted
    inside = {node.name for node in nodes}
    parts: dict[str, CellPart] = {}
    for node in nodes:
        operators = {
            number: one.operator
            for number, same in places.items()
            for one in same
            if _local(one.name) == _local(node.name)
        }
        part = replace(
            _part(node, inside), title=_title(operators, latency_us), is_idle=node.name not in computing
        )
        if _OUTSIDE in part.sources:
            parts.setdefault(_OUTSIDE, CellPart(_OUTSIDE, "input", "0", ()))
        sources = tuple(name for name in part.sources if name in parts)  # constants are not drawn
        if part.kind == "input" or (sources and not node.operator.is_constant):
            parts[part.name] = replace(part, sources=sources)
    halves = any(node.operator.stride == 2 and not _is_input(node) for node in nodes)
    title = "Reduction cell" if halves else "Normal cell"
    return CellGraph(title, tuple(places), _with_states(parts, output=_local(nodes[-1].name)))


def _part(node: Node, inside: Collection[str]) -> CellPart:
    name, operator = _local(node.name), node.operator
    if _is_input(node):
        return CellPart(name, "input", _number(name), ())
    sources = _sources(node, inside)
    if len(sources) > 1:
        return CellPart(name, "state", _number(name) or operator.label, sources)
    return CellPart(name, "operator", operator.label, sources, colour=sketch(operator).colour)


def _with_states(parts: Mapping[str, CellPart], *, output: str) -> tuple[CellPart, ...]:
    """A state behind each operator that others than a single join take, or that gives the output."""
    alone = set()
    for part in parts.values():
        takers = [one.kind for one in parts.values() if part.name in one.sources]
        is_taken = part.name == output or takers not in ([], ["state"])
        if part.kind == "operator" and is_taken:
            alone.add(part.name)
    drawn: list[CellPart] = []
    for part in parts.values():
        sources = tuple(f"{name}/state" if name in alone else name for name in part.sources)
        drawn.append(replace(part, sources=sources))
        if part.name in alone:
            label, taken = _number(part.name), (part.name,)
            drawn.append(CellPart(f"{part.name}/state", "state", label, taken, is_idle=part.is_idle))
    return tuple(drawn)


def _title(operators: Mapping[int, Operator], latency_us: Latency | None) -> str:
    return "\n".join(f"cell {number}: {_priced(one, latency_us)}" for number, one in operators.items())


def _priced(operator: Operator, latency_us: Latency | None) -> str:
    known_us = look_up(operator, latency_us)
    return str(operator) if known_us is None else f"{operator}, {format_ms(known_us)}"


def _sources(node: Node, inside: Collection[str]) -> tuple[str, ...]:
    return tuple(_local(name) if name in inside else _OUTSIDE for name in node.inputs)


def _local(name: str) -> str:
    return name.rpartition("/")[2]


def _is_input(node: Node) -> bool:
    """Whether it fits what a cell is given to the cell's width and resolution."""
    return _local(node.name).startswith("in_")


def _number(name: str) -> str:
    """Of the state that an input, an edge or a join gives: a cell's states count from 0, inputs first."""
    last = name.rpartition("_")[2]
    return last if last.isdigit() else ""
