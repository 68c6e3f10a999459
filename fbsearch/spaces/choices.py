"""Spaces whose codes hold a candidate's index for each of their decisions."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fbsearch.architecture import Architecture, Node, Operator, Shape
from fbsearch.errors import SpaceError
from fbsearch.spaces.space import Code, Decision


@dataclass(frozen=True)
class ChoiceSpace(ABC):
    """What such spaces have in common; how the nodes come together is left to each.

    Args:
        name: how people and tables call the space.
        decisions: at least one.
        fingerprint: SHA-256 of all that may be chosen.
    """

    name: str
    decisions: tuple[Decision, ...]
    fingerprint: str

    @abstractmethod
    def _nodes(self, code: Code) -> tuple[Node, ...]:
        """The nodes of a valid code, in the order in which they run."""

    @abstractmethod
    def operators(self) -> tuple[Operator, ...]:
        """Every distinct operator, in order of first use."""

    @property
    def size(self) -> int:
        """Number of architectures: the product of the candidate counts."""
        return math.prod(len(decision.candidates) for decision in self.decisions)

    @cached_property
    def _first(self) -> Architecture:
        return self.decode((0,) * len(self.decisions))

    @property
    def input(self) -> Shape:
        """Shape of the image."""
        return self._first.input

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._first.num_classes

    def decode(self, code: Sequence[int], *, name: str | None = None) -> Architecture:
        """The architecture of ``code`` (one candidate index per decision).

        Raises:
            SpaceError: if there is not one valid index per decision.
        """
        checked = self._checked(code)
        return Architecture(name or f"{self.name}-{short_text(checked)}", self._nodes(checked))

    def encode(self, architecture: Architecture) -> Code:
        """The code that :meth:`decode` turns into ``architecture``'s nodes.

        Raises:
            SpaceError: if the architecture is not in this space; the message names the decision.
        """
        nodes = {node.name: node for node in architecture.nodes}
        code = tuple(_chosen(decision, nodes, architecture.name) for decision in self.decisions)
        if self._nodes(code) != architecture.nodes:
            raise SpaceError(
                f"architecture {architecture.name!r} has other fixed nodes than space {self.name!r}, such as "
                "another stem or head"
            )
        return code

    def choice_names(self, code: Sequence[int]) -> tuple[str, ...]:
        """The candidates' short names along ``code``."""
        pairs = zip(self.decisions, self._checked(code), strict=True)
        return tuple(decision.names[i] for decision, i in pairs)

    def sample(self, rng: np.random.Generator) -> Code:
        """A code drawn uniformly."""
        return tuple(int(rng.integers(len(decision.candidates))) for decision in self.decisions)

    def mutate(self, code: Sequence[int], rng: np.random.Generator) -> Code:
        """``code`` with one random decision set to another of its candidates.

        Raises:
            SpaceError: if no decision has two candidates.
        """
        mutated = list(self._checked(code))
        free = [index for index, decision in enumerate(self.decisions) if len(decision.candidates) > 1]
        if not free:
            raise SpaceError(f"space {self.name!r} holds one architecture only; nothing can be mutated")
        index = free[int(rng.integers(len(free)))]
        count = len(self.decisions[index].candidates)
        mutated[index] = (mutated[index] + 1 + int(rng.integers(count - 1))) % count
        return tuple(mutated)

    def _checked(self, code: Sequence[int]) -> Code:
        if len(code) != len(self.decisions):
            raise SpaceError(
                f"{len(code)} choices given; space {self.name!r} has {len(self.decisions)} decisions"
            )
        for decision, i in zip(self.decisions, code, strict=True):
            if not 0 <= i < len(decision.candidates):
                raise SpaceError(
                    f"choice {i} at {decision.name}: allowed are 0 to {len(decision.candidates) - 1}"
                )
        return tuple(code)


def short_text(code: Sequence[int]) -> str:
    """A short text for a code, unique within its space for all that matters."""
    return hashlib.sha256(",".join(map(str, code)).encode()).hexdigest()[:8]


def fingerprint_of(content: object) -> str:
    """SHA-256 of what JSON makes of ``content``."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def chosen_nodes(decisions: Iterable[Decision], code: Code) -> tuple[Node, ...]:
    """The nodes of the candidates along ``code``."""
    pairs = zip(decisions, code, strict=True)
    return tuple(node for decision, i in pairs for node in decision.candidates[i].nodes)


def _chosen(decision: Decision, nodes: Mapping[str, Node], name: str) -> int:
    found = tuple(nodes.get(place) for place in decision.places)
    for index, candidate in enumerate(decision.candidates):
        if candidate.nodes == found:
            return index
    first = found[0]
    what = "nothing" if first is None else str(first.operator)
    raise SpaceError(f"{decision.name} of {name!r}, {what}, is no candidate there")
