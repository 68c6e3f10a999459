"""The places of a space where something is chosen: what a calibration tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbsearch.architecture import Architecture, Operator
from fbsearch.latency.design import Choices
from fbsearch.latency.fitting import FloatArray
from fbsearch.spaces import FactoredSpace

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Operators by place; a decision may fill several places, each with operators of its own shape.

    Args:
        fixed: keys of the nodes at all other places, in order.
        names: of the places.
        slots: keys of the operators that may stand at each place.
        space: whose places they are.
        decisions: index of the decision that fills each place.
        indices: of each place, which of its keys each candidate of the decision puts there.
    """

    fixed: Keys
    names: tuple[str, ...]
    slots: tuple[Keys, ...]
    space: FactoredSpace
    decisions: tuple[int, ...]
    indices: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(space: FactoredSpace) -> Places:
        """Those of a space, decision by decision."""
        fixed = {node.name: node.operator.key for node in space.fixed}
        pairs = [(number, one, place) for number, one in enumerate(space.decisions) for place in one.places]
        keys = [[node.operator.key for node in decision.at(place)] for _, decision, place in pairs]
        slots = [tuple(dict.fromkeys(row)) for row in keys]
        return Places(
            fixed=tuple(fixed[name] for name in space.order if name in fixed),
            names=tuple(place for _, _, place in pairs),
            slots=tuple(slots),
            space=space,
            decisions=tuple(number for number, _, _ in pairs),
            indices=tuple(
                tuple(slot.index(key) for key in row) for row, slot in zip(keys, slots, strict=True)
            ),
        )

    def choices(self, code: Sequence[int]) -> Choices:
        """What computes at each place in the network of ``code``, see :func:`choices_within`."""
        architecture = self.space.decode(code)
        found = choices_within(architecture, names=self.names, fixed=self.fixed, slots=self.slots)
        assert found is not None, "a space's own networks have its operators"
        return found

    def by_candidate(self, values_us: FloatArray) -> FloatArray:
        """Values per place and key, added up to ``S x C``: per decision and candidate, padded with NaN.

        Args:
            values_us: ``P x K``, padded with NaN.
        """
        num_decisions = max(self.decisions) + 1
        totals = np.full((num_decisions, max(map(len, self.indices))), np.nan)
        for row, decision, indices in zip(values_us, self.decisions, self.indices, strict=True):
            own = row[list(indices)]
            before = totals[decision, : len(indices)]
            totals[decision, : len(indices)] = own if np.isnan(before).all() else before + own
        return totals


def choices_within(
    architecture: Architecture, *, names: Sequence[str], fixed: Keys, slots: Sequence[Keys]
) -> Choices | None:
    """What an architecture computes at each of some places, as indices among the places' keys.

    What stands where nothing comes in but constants, or where nobody takes what comes out, computes nothing
    once the model is exported: it counts as no connection, if the place may have none. What a node before
    gives already counts as a skip, or else likewise.

    Args:
        architecture: any.
        names: of the places.
        fixed: keys at all other places, in order.
        slots: keys that are allowed at each place.

    Returns:
        An index per place, or None if other operators stand there.
    """
    nodes = {node.name: node.operator.key for node in architecture.nodes}
    others = tuple(key for name, key in nodes.items() if name not in set(names))
    given = [nodes.get(name, "") for name in names]
    if others != fixed or any(key not in slot for slot, key in zip(slots, given, strict=True)):
        return None
    idle = {node.name for node in architecture.idle_nodes}
    repeated = architecture.repeated_names
    return tuple(
        slot.index(_free(slot, key, is_idle=name in idle) if name in idle or name in repeated else key)
        for name, slot, key in zip(names, slots, given, strict=True)
    )


def _free(slot: Keys, key: str, *, is_idle: bool) -> str:
    """What takes no time in a slot, a skip rather than none unless it is idle; ``key`` if nothing does."""
    operators = {one: Operator.from_key(one) for one in slot}
    skips = [] if is_idle else [one for one, operator in operators.items() if operator.is_identity]
    nones = [one for one, operator in operators.items() if operator.is_constant]
    return next(iter([*skips, *nones]), key)
