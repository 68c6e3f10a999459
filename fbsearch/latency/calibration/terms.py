"""Terms: what a calibration tells apart in networks, an operator at one place, or wherever it stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Architecture, Operator
from fbsearch.latency.calibration.design import Choices
from fbsearch.spaces import FactoredSpace, Space

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Terms(ABC):
    """The terms of a calibration, numbered row by row.

    A network is told by its choices, indices into rows.

    Args:
        slots: rows of operators' keys.
        fixed: keys of what all networks have besides, in order.
    """

    slots: tuple[Keys, ...]
    fixed: Keys

    @abstractmethod
    def choices(self, architecture: Architecture) -> Choices | None:
        """What ``architecture`` has of these terms; None where it has something else as well."""

    def idle_operators(self, architecture: Architecture) -> tuple[Operator, ...]:
        """Fixed operators that ``architecture`` has, and does not compute."""
        return ()

    @abstractmethod
    def numbers(self, choices: Choices) -> tuple[int, ...]:
        """The terms that ``choices`` stand for, with repetitions."""

    @abstractmethod
    def allows(self, choices: Choices) -> bool:
        """Whether there is a term for each of ``choices``."""

    @abstractmethod
    def speak_for(self, others: Terms) -> bool:
        """Whether what is learnt of these holds for ``others`` too."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """As the header of a calibration holds them."""

    def including(self, architectures: Iterable[Architecture]) -> Terms:
        """These, and behind them what else networks take; in all but open spaces nothing."""
        return self

    @property
    def places(self) -> NDArray[np.int64] | None:
        """Of each term, the number of its place; None where terms have none."""
        return None

    @property
    def keys(self) -> Keys:
        """Of each term, its operator's."""
        return tuple(chain(*self.slots))

    def counts(self, networks: Iterable[Choices]) -> NDArray[np.int64]:
        """``N x K``: how often each term stands in each network."""
        rows = [np.bincount(self.numbers(one), minlength=len(self.keys)) for one in networks]
        return np.array(rows, np.int64).reshape(-1, len(self.keys))

    def rows(self, values: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """One value for each term, row by row."""
        ends = list(accumulate(map(len, self.slots)))
        return tuple(tuple(values[end - len(row) : end]) for row, end in zip(self.slots, ends, strict=True))


@dataclass(frozen=True)
class PlaceTerms(Terms):
    """An operator at one place is a term, and every network has one at each place.

    Args:
        names: of the places, as nodes are called, in the order of ``slots``.
    """

    names: tuple[str, ...]

    @staticmethod
    def of(space: FactoredSpace) -> PlaceTerms:
        """Those of independent decisions; one may fill several places, with operators of their shapes."""
        fixed = {node.name: node.operator.key for node in space.fixed}
        pairs = [(decision, place) for decision in space.decisions for place in decision.places]
        return PlaceTerms(
            slots=tuple(
                tuple(dict.fromkeys(node.operator.key for node in decision.at(place)))
                for decision, place in pairs
            ),
            fixed=tuple(fixed[name] for name in space.order if name in fixed),
            names=tuple(place for _, place in pairs),
        )

    @property
    def places(self) -> NDArray[np.int64]:
        """Of each term, the number of its place."""
        return np.repeat(np.arange(len(self.slots)), [len(row) for row in self.slots])

    def choices(self, architecture: Architecture) -> Choices | None:
        """What computes at each place; None where it is none of its operators, or others stand elsewhere.

        What stands where nothing comes in but constants, or where nobody takes what comes out, computes
        nothing once the model is exported: it counts as no connection, if the place may have none. What a
        node before gives already counts as a skip, or else likewise.
        """
        nodes = {node.name: node.operator.key for node in architecture.nodes}
        given = [nodes.pop(name, "") for name in self.names]
        pairs = list(zip(self.slots, given, strict=True))
        if tuple(nodes.values()) != self.fixed or any(key not in row for row, key in pairs):
            return None
        idle = {node.name for node in architecture.idle_nodes}
        saved = idle | architecture.repeated_names
        return tuple(
            row.index(_free(row, key, is_idle=name in idle) if name in saved else key)
            for name, (row, key) in zip(self.names, pairs, strict=True)
        )

    def idle_operators(self, architecture: Architecture) -> tuple[Operator, ...]:
        """Fixed operators that ``architecture`` does not compute, and of which its terms tell nothing.

        A sum of places that give nothing is told by them: what each saves of it is in their terms.
        """
        names = set(self.names)
        return tuple(
            node.operator
            for node in architecture.idle_nodes
            if node.name not in names and not names.issuperset(node.inputs)
        )

    def numbers(self, choices: Choices) -> tuple[int, ...]:
        """One term for each place."""
        return tuple(first + index for first, index in zip(self._firsts, choices, strict=True))

    def allows(self, choices: Choices) -> bool:
        """Whether there is one for each place."""
        return len(choices) == len(self.slots) and all(
            0 <= index < len(row) for row, index in zip(self.slots, choices, strict=True)
        )

    def speak_for(self, others: Terms) -> bool:
        """Whether the same operators may stand in the same places."""
        return self == others

    def record(self) -> dict[str, Any]:
        """As the header of a calibration holds them."""
        return {"fixed": self.fixed, "slots": self.slots, "places": self.names}

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        return tuple(accumulate(map(len, self.slots[:-1]), initial=0))


@dataclass(frozen=True)
class OperatorTerms(Terms):
    """An operator is a term wherever it stands, as often as it does; one that is free is none.

    Args:
        space: fingerprint of their space.
    """

    space: str

    @staticmethod
    def of(space: Space, architectures: Iterable[Architecture] = ()) -> OperatorTerms:
        """Every operator of a space; of an open one, those of some of its architectures."""
        listed = space.operators()
        if listed is None:
            listed = tuple(chain.from_iterable(one.computed_operators() for one in architectures))
        return OperatorTerms((tuple(dict.fromkeys(charged_keys(listed))),), (), space.fingerprint)

    def choices(self, architecture: Architecture) -> Choices | None:
        """Each that it computes and that is not free; None where one is no term."""
        keys = charged_keys(architecture.computed_operators())
        return tuple(self._index[key] for key in keys) if all(key in self._index for key in keys) else None

    def numbers(self, choices: Choices) -> tuple[int, ...]:
        """One term for each operator."""
        return choices

    def allows(self, choices: Choices) -> bool:
        """Whether all are operators of these terms, at least one."""
        return len(choices) > 0 and all(0 <= index < len(self.keys) for index in choices)

    def speak_for(self, others: Terms) -> bool:
        """Whether they are of the same space."""
        return isinstance(others, OperatorTerms) and others.space == self.space

    def record(self) -> dict[str, Any]:
        """As the header of a calibration holds them."""
        return {"fixed": self.fixed, "slots": self.slots, "space": self.space}

    def including(self, architectures: Iterable[Architecture]) -> OperatorTerms:
        """These, and behind them what else networks take."""
        others = chain.from_iterable(charged_keys(one.computed_operators()) for one in architectures)
        return replace(self, slots=(tuple(dict.fromkeys((*self.keys, *others))),))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: index for index, key in enumerate(self.keys)}


def terms_of(space: Space, architectures: Iterable[Architecture] = ()) -> Terms:
    """What whole networks of a space can tell apart: with places where decisions are independent.

    Elsewhere what stands at a place depends on several choices at once, and an operator counts the same
    wherever it stands.

    Args:
        space: any.
        architectures: whose operators count where the space is open.
    """
    if isinstance(space, FactoredSpace):
        return PlaceTerms.of(space)
    return OperatorTerms.of(space, architectures)


def charged_keys(operators: Iterable[Operator]) -> list[str]:
    """Keys of those that are not free."""
    return [operator.key for operator in operators if not operator.is_free]


def _free(row: Keys, key: str, *, is_idle: bool) -> str:
    """What takes no time in a row, a skip rather than none unless it is idle; ``key`` if nothing does."""
    operators = {one: Operator.from_key(one) for one in row}
    skips = [] if is_idle else [one for one, operator in operators.items() if operator.is_identity]
    nones = [one for one, operator in operators.items() if operator.is_constant]
    return next(iter([*skips, *nones]), key)
