"""The terms of a factored space by its decisions: from codes to places, from places back to candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbsearch.latency.calibration.design import Choices
from fbsearch.latency.calibration.fitting import FloatArray
from fbsearch.latency.calibration.terms import PlaceTerms
from fbsearch.spaces import FactoredSpace


@dataclass(frozen=True)
class Places:
    """Operators by place; a decision may fill several places, each with operators of its own shape.

    Args:
        terms: an operator at each place.
        space: whose places they are.
        decisions: index of the decision that fills each place.
        indices: of each place, which of its keys each candidate of the decision puts there.
    """

    terms: PlaceTerms
    space: FactoredSpace
    decisions: tuple[int, ...]
    indices: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(space: FactoredSpace) -> Places:
        """Those of a space, decision by decision."""
        terms = PlaceTerms.of(space)
        pairs = [(number, one, place) for number, one in enumerate(space.decisions) for place in one.places]
        keys = [[node.operator.key for node in decision.at(place)] for _, decision, place in pairs]
        return Places(
            terms=terms,
            space=space,
            decisions=tuple(number for number, _, _ in pairs),
            indices=tuple(
                tuple(slot.index(key) for key in row) for row, slot in zip(keys, terms.slots, strict=True)
            ),
        )

    def choices(self, code: Sequence[int]) -> Choices:
        """What computes at each place in the network of ``code``, as an index among the place's keys."""
        found = self.terms.choices(self.space.decode(code))
        assert found is not None, "a space's own networks have its operators"
        return found

    def by_candidate(self, rows: Sequence[Sequence[float]]) -> FloatArray:
        """A value per place and key, added up to ``S x C``: per decision and candidate, padded with NaN."""
        totals = np.full((max(self.decisions) + 1, max(map(len, self.indices))), np.nan)
        for row, decision, indices in zip(rows, self.decisions, self.indices, strict=True):
            own = np.array(row)[list(indices)]
            before = totals[decision, : len(indices)]
            totals[decision, : len(indices)] = own if np.isnan(before).all() else before + own
        return totals
