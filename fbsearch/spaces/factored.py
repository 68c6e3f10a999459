"""The product of independent decisions: what differentiable search and the exact choice work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fbsearch.architecture import INPUT, Node, Operator
from fbsearch.errors import ArchitectureError, SpaceError
from fbsearch.spaces.choices import ChoiceSpace, chosen_nodes
from fbsearch.spaces.space import Code


@dataclass(frozen=True)
class ProductSpace(ChoiceSpace):
    """Every architecture that has the fixed nodes and one candidate per decision (FBNet, Section 3.1).

    Args:
        fixed: the nodes that all architectures have.

    Raises:
        SpaceError: if the nodes do not come together to networks.
    """

    fixed: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.decisions:
            raise SpaceError(f"space {self.name!r} has no decision")
        most = max(len(decision.candidates) for decision in self.decisions)
        try:
            for index in range(most):  # every candidate once: all fit what stands around them, or this raises
                self.decode([min(index, len(one.candidates) - 1) for one in self.decisions])
        except ArchitectureError as error:
            raise SpaceError(f"space {self.name!r}: {error}") from None

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Names of all nodes, in an order in which every architecture may run."""
        needs: dict[str, tuple[str, ...]] = {node.name: node.inputs for node in self.fixed}
        for decision in self.decisions:
            for place in decision.places:
                given = (name for node in decision.at(place) for name in node.inputs)
                needs[place] = tuple(dict.fromkeys(given))
        scores = [node.name for node in self.fixed if node.operator.output.is_vector]
        return _last(scores, sort_topologically(needs))

    def operators(self) -> tuple[Operator, ...]:
        """Every distinct operator, in the order in which they may run."""
        nodes: dict[str, Sequence[Node]] = {node.name: (node,) for node in self.fixed}
        nodes |= {place: decision.at(place) for decision in self.decisions for place in decision.places}
        return tuple(dict.fromkeys(node.operator for name in self.order for node in nodes[name]))

    def _nodes(self, code: Code) -> tuple[Node, ...]:
        nodes = {node.name: node for node in (*self.fixed, *chosen_nodes(self.decisions, code))}
        return tuple(nodes[name] for name in self.order)


def sorted_nodes(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Nodes in an order in which each follows those that it takes, and class scores come last.

    Raises:
        SpaceError: if one takes itself, or what is not there.
    """
    named = {node.name: node for node in nodes}
    order = sort_topologically({name: one.inputs for name, one in named.items()})
    scores = [name for name, one in named.items() if one.operator.output.is_vector]
    return tuple(named[name] for name in _last(scores, order))


def _last(names: Sequence[str], order: Sequence[str]) -> tuple[str, ...]:
    """The order with these at its end: what nobody takes may have come behind them."""
    return (*(name for name in order if name not in names), *names)


def sort_topologically(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Names in an order in which each follows those that it needs; otherwise as they come, depth first.

    >>> sort_topologically({"c": ("a", "b"), "a": ("input",), "b": ("a",)})
    ('a', 'b', 'c')

    Raises:
        SpaceError: if one needs itself, or what is not there.
    """
    order: dict[str, None] = {}
    for last in needs:
        waiting = [last]
        while waiting:
            name = waiting[-1]
            missing = [one for one in needs[name] if one != INPUT and one not in order]
            unknown = [one for one in missing if one not in needs or one in waiting]
            if unknown:
                raise SpaceError(f"node {name!r} takes {unknown[0]!r}, which is no node before it")
            if missing:
                waiting.append(missing[0])
            else:
                order.setdefault(waiting.pop())
    return tuple(order)
