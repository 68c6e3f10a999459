"""Which nodes of a graph give the same (value numbering, Cocke & Schwartz, 1970)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fbsearch.architecture.node import INPUT, Node
from fbsearch.architecture.operators import Operator

ZEROS = ""
"""What stands for the first node that gives zeros; no node is called so."""


def first_alike(nodes: Iterable[Node], computing: Collection[str]) -> dict[str, str]:
    """For each node the name of the first that gives the same, which may be itself, or :data:`ZEROS`.

    An identity gives what it takes, and so does a sum of that and zeros. What learns gives what no other
    does, also where it takes zeros: a norm adds to them.

    Args:
        nodes: all, in the order in which they run.
        computing: names of those that are computed, so that others may take over what they give.
    """
    alike = {INPUT: INPUT}
    first: dict[tuple[Operator, tuple[str, ...]], str] = {}
    for node in nodes:
        operator, sources = node.operator, tuple(alike[name] for name in node.inputs)
        if operator.is_sum:
            sources = tuple(name for name in sources if name != ZEROS)
        if operator.has_weights:
            alike[node.name] = node.name
        elif operator.is_constant or all(name == ZEROS for name in sources):
            alike[node.name] = ZEROS
        elif operator.is_identity or (operator.is_sum and len(sources) == 1):
            alike[node.name] = sources[0]
        elif node.name in computing:
            alike[node.name] = first.setdefault((operator, sources), node.name)
        else:
            alike[node.name] = node.name
    return alike
