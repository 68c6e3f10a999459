"""What a search space is: codes, architectures, and the way between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fbsearch.architecture import Architecture, Node, Operator, Shape
from fbsearch.errors import SpaceError

Code = tuple[int, ...]
"""An architecture within a space, as numbers that the space gives a meaning."""


class Space(Protocol):
    """Architectures that may be chosen.

    ``sample`` gives a code, ``decode`` its architecture, ``encode`` the code again; ``mutate`` gives a code
    near another one. Equal fingerprints stand for the same architectures.
    """

    @property
    def name(self) -> str:
        """How people and tables call it."""

    @property
    def input(self) -> Shape:
        """Shape of the image."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that may be chosen."""

    @property
    def size(self) -> int | None:
        """Number of architectures, or None where it is unbounded or unknown."""

    def decode(self, code: Sequence[int], *, name: str | None = None) -> Architecture:
        """The architecture of ``code``.

        Raises:
            SpaceError: if ``code`` is none of this space.
        """

    def encode(self, architecture: Architecture) -> Code:
        """The code that :meth:`decode` turns into ``architecture``'s nodes.

        Raises:
            SpaceError: if the architecture is not in this space.
        """

    def sample(self, rng: np.random.Generator) -> Code:
        """A random code."""

    def mutate(self, code: Sequence[int], rng: np.random.Generator) -> Code:
        """A code near ``code``, and not the same.

        Raises:
            SpaceError: if there is none.
        """

    def operators(self) -> tuple[Operator, ...] | None:
        """Every operator of any architecture, in order of first use; None where they cannot be listed."""


@dataclass(frozen=True)
class Candidate:
    """One of the choices of a decision.

    Args:
        name: short, such as ``k3_e6``, unique within the decision.
        nodes: what stands where, if it is chosen: one node in a chain, one in every cell that shares the
            decision.
    """

    name: str
    nodes: tuple[Node, ...]

    @property
    def is_identity(self) -> bool:
        """Whether it passes on what comes in, wherever it stands."""
        return all(node.operator.is_identity for node in self.nodes)

    @property
    def is_free(self) -> bool:
        """Whether it computes nothing, wherever it stands."""
        return all(node.operator.is_free for node in self.nodes)


@dataclass(frozen=True)
class Decision:
    """One choice of a factored space.

    Args:
        name: such as ``layers/3`` or ``normal/edge_0_2``.
        candidates: at least one; all have nodes of the same names and output shapes.

    Raises:
        SpaceError: if the candidates do not go together.
    """

    name: str
    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        if not self.candidates:
            raise SpaceError(f"decision {self.name!r} has no candidate")
        for values in (self.names, [candidate.nodes for candidate in self.candidates]):
            if len(set(values)) != len(values):
                raise SpaceError(f"decision {self.name!r} holds a candidate twice: {', '.join(self.names)}")
        places = {tuple((n.name, n.operator.output) for n in one.nodes) for one in self.candidates}
        if len(places) != 1:
            keys = ", ".join(str(node.operator) for one in self.candidates for node in one.nodes[:1])
            raise SpaceError(f"the candidates of decision {self.name!r} differ in shape: {keys}")

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates' names."""
        return tuple(candidate.name for candidate in self.candidates)

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the nodes that it decides on."""
        return tuple(node.name for node in self.candidates[0].nodes)

    def at(self, place: str) -> tuple[Node, ...]:
        """What each candidate puts there."""
        position = self.places.index(place)
        return tuple(candidate.nodes[position] for candidate in self.candidates)


@runtime_checkable
class FactoredSpace(Space, Protocol):
    """A space of independent decisions between fixed nodes: what a supernet and an exact choice need.

    A code holds a candidate's index for each decision.
    """

    @property
    def fixed(self) -> tuple[Node, ...]:
        """The nodes that all architectures have."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What is to be chosen."""

    @property
    def size(self) -> int:
        """Number of architectures."""

    def operators(self) -> tuple[Operator, ...]:
        """Every operator, in the order in which they may run."""

    @property
    def order(self) -> tuple[str, ...]:
        """Names of all nodes, in an order in which every architecture may run."""

    def choice_names(self, code: Sequence[int]) -> tuple[str, ...]:
        """The candidates' short names along ``code``."""


def require_factored(space: Space, wanted_by: str) -> FactoredSpace:
    """``space``, if its decisions are independent.

    Args:
        space: any.
        wanted_by: what cannot do without, for the message.

    Raises:
        SpaceError: if they are not.
    """
    if isinstance(space, FactoredSpace):
        return space
    raise SpaceError(
        f"{wanted_by} needs independent decisions, and in space {space.name!r} what is built depends on "
        "several at once (such as a cell whose output joins its loose ends): "
        "choose another method, or another output"
    )


@runtime_checkable
class NamesChoices(Protocol):
    """A space that has words for what is chosen."""

    def choice_names(self, code: Sequence[int]) -> tuple[str, ...]:
        """Short names along ``code``."""


def code_names(space: Space, code: Sequence[int]) -> tuple[str, ...]:
    """The choices along ``code`` in words: candidates' names where there are some, or else its numbers."""
    if isinstance(space, NamesChoices):
        return space.choice_names(code)
    return tuple(map(str, code))


def canonical(space: Space, architecture: Architecture) -> Architecture:
    """The architecture as the space itself decodes it: equal to every other one with its code.

    Raises:
        SpaceError: if the architecture is not in this space.
    """
    return space.decode(space.encode(architecture))
