"""The networks to calibrate with: by decisions where a space's are independent, else by operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.latency.covering import choose_covering
from fbsearch.latency.design import design_networks
from fbsearch.latency.fitting import FloatArray
from fbsearch.latency.places import Places
from fbsearch.latency.term_fit import isolated_latencies
from fbsearch.latency.terms import OperatorTerms
from fbsearch.spaces import Code, FactoredSpace, Space

_POOL = 1024
"""Random networks that a design of a space without independent decisions is chosen from."""
_OPEN_POOL = 4
"""In an open space, so many times the networks that are asked for: hardly two of them share an operator."""
_DRAWS = 8
"""Draws for each of them, in spaces that hold fewer."""


def designed(
    space: Space, latency_us: Callable[[Operator], float], count: int, seed: int
) -> tuple[Code, ...]:
    """Networks that tell most about a space's operators in context.

    Where decisions are independent, every candidate of each stands in equally many of them. Elsewhere they
    are chosen from random ones so that every operator stands in as many as can be. An open space's depend on
    nothing but the seed: they may be chosen before their operators are measured.

    Args:
        space: whose networks.
        latency_us: an operator's latency alone; not asked of an open space.
        count: how many; fewer where the space holds fewer.
        seed: of the design.
    """
    rng = np.random.default_rng([seed, 3])
    if isinstance(space, FactoredSpace):
        return design_networks(latencies_by_candidate(space, latency_us), count, rng)
    is_open = space.operators() is None
    pool = _random_codes(space, _OPEN_POOL * count if is_open else max(_POOL, count), rng)
    architectures = [space.decode(code) for code in pool]
    terms = OperatorTerms.of(space, architectures)
    told = (terms.choices(architecture) for architecture in architectures)
    counts = terms.counts(choices for choices in told if choices is not None)
    sums_us = None if is_open else isolated_latencies(terms, latency_us).sums_us(counts)
    return tuple(pool[index] for index in choose_covering(counts, count, sums_us))


def latencies_by_candidate(space: FactoredSpace, latency_us: Callable[[Operator], float]) -> FloatArray:
    """``S x C``: what each candidate's operators take alone; NaN where a decision has no such candidate."""
    places = Places.of(space)
    isolated = isolated_latencies(places.terms, latency_us)
    return places.by_candidate(places.terms.rows(isolated.terms_us.tolist()))


def _random_codes(space: Space, count: int, rng: np.random.Generator) -> list[Code]:
    """Distinct ones; fewer in a space that holds few."""
    drawn: dict[Code, None] = {}
    for _ in range(_DRAWS * count):
        if len(drawn) == count:
            break
        drawn.setdefault(space.sample(rng))
    return list(drawn)
