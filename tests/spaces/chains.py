"""What tests ask of spaces whose decisions fill one place each."""

from __future__ import annotations

from dataclasses import replace

from fbsearch.architecture import Operator
from fbsearch.spaces import Decision, FactoredSpace


def operators_of(decision: Decision) -> list[Operator]:
    """The candidates' operators at the decision's only place."""
    return [candidate.nodes[0].operator for candidate in decision.candidates]


def most_candidates(space: FactoredSpace) -> int:
    return max(len(decision.candidates) for decision in space.decisions)


def first_candidates(space: FactoredSpace, count: int) -> FactoredSpace:
    """The space with so many candidates of each decision."""
    decisions = tuple(replace(one, candidates=one.candidates[:count]) for one in space.decisions)
    return replace(space, name="part", decisions=decisions, fingerprint="0" * 64)
