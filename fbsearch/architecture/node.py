"""Nodes of a graph, and what makes several of them a network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fbsearch.architecture.operators import BYTES_PER_NUMBER, MAX_BYTES, Operator
from fbsearch.architecture.shape import Shape
from fbsearch.errors import ArchitectureError

INPUT = "input"
"""What nodes call the image."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:/[a-z0-9_]+)*", re.ASCII)


@dataclass(frozen=True)
class Node:
    """One operator of a network, at its place.

    Args:
        name: such as ``layers/3`` or ``cells/5/edge_0_2``; weights are filed under it.
        operator: what computes.
        inputs: names of the nodes whose outputs it takes, in order; ``input`` is the image.

    Raises:
        ArchitectureError: if the name is none, or the operator takes another number of inputs.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name == INPUT or not _NAME.fullmatch(self.name):
            raise ArchitectureError(
                f"node {self.name!r}: a name is lower-case letters, digits and '_' in parts between '/', "
                f"such as 'cells/5/edge_0_2', and not {INPUT!r}"
            )
        if len(self.inputs) != len(self.operator.inputs):
            raise ArchitectureError(
                f"node {self.name!r} takes {len(self.inputs)} inputs, {self.operator} takes "
                f"{len(self.operator.inputs)}"
            )


def chain_nodes(groups: Mapping[str, Iterable[Operator]], *, after: str = INPUT) -> tuple[Node, ...]:
    """Operators one after the other, in named groups: nodes ``GROUP/0``, ``GROUP/1``, …

    Args:
        groups: operators by group, in order.
        after: what the first of them takes.
    """
    nodes: list[Node] = []
    for group, operators in groups.items():
        for index, operator in enumerate(operators):
            nodes.append(Node(f"{group}/{index}", operator, (nodes[-1].name if nodes else after,)))
    return tuple(nodes)


def check_network(nodes: Sequence[Node]) -> Shape:
    """Make sure that nodes are a network from an image to class scores.

    Args:
        nodes: in the order in which they run.

    Returns:
        The image's shape.

    Raises:
        ArchitectureError: naming the first node that does not fit.
    """
    if not nodes or not nodes[-1].operator.output.is_vector:
        raise ArchitectureError("the last operator must be a classifier")
    num_bytes = BYTES_PER_NUMBER * sum(node.operator.num_weights for node in nodes)
    if num_bytes > MAX_BYTES:
        raise ArchitectureError(
            f"its weights would take {num_bytes / 2**30:,.0f} GiB, more than the {MAX_BYTES / 2**30:.0f} GiB "
            "that are allowed: give it fewer channels"
        )
    image = next((node.operator.inputs[0] for node in nodes if node.inputs[0] == INPUT), None)
    if image is None:
        raise ArchitectureError("no node takes the image")
    shapes: dict[str, tuple[str, Shape]] = {INPUT: ("the image", image)}
    for node in nodes:
        if node.name in shapes:
            raise ArchitectureError(f"node {node.name!r} stands twice")
        _check_inputs(node, shapes)
        shapes[node.name] = (str(node.operator), node.operator.output)
    return image


def _check_inputs(node: Node, shapes: Mapping[str, tuple[str, Shape]]) -> None:
    for name, wanted in zip(node.inputs, node.operator.inputs, strict=True):
        if name not in shapes:
            raise ArchitectureError(f"node {node.name!r} takes {name!r}, which is no node before it")
        source, given = shapes[name]
        if given != wanted:
            raise ArchitectureError(f"{source} gives {given}, which is no input for {node.operator}")
