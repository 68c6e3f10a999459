"""The networks to calibrate with: by decisions where a space's are independent, else by operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Operator
from fbsearch.errors import InvalidInputError, SpaceError
from fbsearch.latency.calibration.covering import choose_covering
from fbsearch.latency.calibration.design import MIN_NETWORKS, design_networks
from fbsearch.latency.calibration.fitting import FloatArray
from fbsearch.latency.calibration.places import Places
from fbsearch.latency.calibration.term_fit import isolated_latencies
from fbsearch.latency.calibration.terms import OperatorTerms, Terms
from fbsearch.spaces import Code, FactoredSpace, Space

_POOL = 1024
"""Random networks that a design of a space without independent decisions is chosen from."""
_OPEN_POOL = 4
"""In an open space, so many times the networks that are asked for: hardly two of them share an operator."""
_DRAWS = 8
"""Draws for each of them, in spaces that hold fewer."""

_LONGEST_WALK = 8
"""Mutations from what an open space draws to the networks whose operators its table holds too."""

_REPLACEMENTS = 100
"""Draws for networks of a design that compute nothing."""

FIRST_NETWORKS = 16
"""An open space's table begins with the operators of so many: enough of every kind to estimate others by."""


_LEAST_OF_A_SORT = 6
"""Operators of a kind and a kernel that an open space's table begins with, if the space has so many."""
_WALK, _RESTARTS = 200, 20
"""Mutations by which others are looked for, and after how many they begin anew."""


def designed(
    space: Space, latency_us: Callable[[Operator], float], count: int, seed: int
) -> tuple[Code, ...]:
    """Networks that tell most about a space's operators in context.

    Where decisions are independent, every candidate of each stands in equally many of them. Elsewhere they
    are chosen from random ones so that every operator stands in as many as can be.

    Args:
        space: whose networks.
        latency_us: an operator's latency alone; not asked of an open space.
        count: how many; fewer where the space holds fewer.
        seed: of the design.
    """
    if space.operators() is None:
        return open_design(space, count, seed)
    rng = np.random.default_rng([seed, 3])
    if isinstance(space, FactoredSpace):
        design = design_networks(latencies_by_candidate(space, latency_us), count, rng)
        return _that_see(space, design, rng)
    pool = _random_codes(space, max(_POOL, count), rng)
    terms, counts = _told(space, pool)
    sums_us = isolated_latencies(terms, latency_us).sums_us(counts)
    return tuple(pool[index] for index in choose_covering(counts, count, sums_us))


def open_design(space: Space, count: int, seed: int) -> tuple[Code, ...]:
    """Networks of an open space, which may be chosen before anything of them is measured.

    Args:
        space: whose networks.
        count: how many; fewer where the space holds fewer.
        seed: of the design.
    """
    pool = _random_codes(space, _OPEN_POOL * count, np.random.default_rng([seed, 3]))
    _, counts = _told(space, pool)
    return tuple(pool[index] for index in choose_covering(counts, count))


def latencies_by_candidate(space: FactoredSpace, latency_us: Callable[[Operator], float]) -> FloatArray:
    """``S x C``: what each candidate's operators take alone; NaN where a decision has no such candidate."""
    places = Places.of(space)
    isolated = isolated_latencies(places.terms, latency_us)
    return places.by_candidate(places.terms.rows(isolated.terms_us.tolist()))


def first_operators(
    space: Space, *, num_networks: int, seed: int, least: int = FIRST_NETWORKS
) -> tuple[Operator, ...]:
    """Every operator of a space; of an open one those of some networks, the calibrating ones first.

    Others are added when they are asked for, see :func:`fbsearch.latency.profiling.growing.grow_table`.

    Args:
        space: to be profiled.
        num_networks: whole networks to calibrate with; an open space takes the operators of a few random
            ones where there are none.
        seed: of their design.
        least: networks of an open space whose operators are measured, whether or not so many calibrate; those
            that are added hold blocks of which few would be measured without them.
    """
    listed = space.operators()
    if listed is not None:
        return listed
    codes = open_design(space, num_networks or least, seed)
    if len(codes) < least:
        codes = (*codes, *_more_blocks(space, codes, least - len(codes), seed))
    first = dict.fromkeys(operator for code in codes for operator in space.decode(code).operators())
    return (*first, *_rare_ones(space, codes, tuple(first), seed))


def _rare_ones(
    space: Space, codes: Sequence[Code], first: Sequence[Operator], seed: int
) -> tuple[Operator, ...]:
    """More operators of those kinds and kernels that few are of, as a search meets them after many mutations.

    Networks that a space draws may all end in one classifier, say, and others cannot be estimated from one.
    """
    rng, others = np.random.default_rng([seed, 7]), dict.fromkeys(first)
    code = codes[0]
    for step in range(_WALK):
        with suppress(SpaceError):
            code = space.mutate(code if step % _RESTARTS else codes[step // _RESTARTS % len(codes)], rng)
        others.update(dict.fromkeys(space.decode(code).operators()))
    counts = Counter(map(_sort, first))
    rare = []
    for operator in others:
        if not operator.is_free and counts[_sort(operator)] < _LEAST_OF_A_SORT and operator not in first:
            counts[_sort(operator)] += 1
            rare.append(operator)
    return tuple(rare)


def _sort(operator: Operator) -> tuple[str, int]:
    return operator.kind, int(getattr(operator, "kernel", 1))


def _more_blocks(space: Space, known: Sequence[Code], count: int, seed: int) -> tuple[Code, ...]:
    """Networks of an open space in which blocks stand that stand in few others, whatever their shapes."""
    pool = [*known, *_random_codes(space, _OPEN_POOL * count, np.random.default_rng([seed, 6]), _walked)]
    networks = [space.decode(code).computed_operators() for code in pool]
    blocks = [{one.block for one in operators if not one.is_free} for operators in networks]
    names = {block: None for some in blocks for block in some}
    counts = np.array([[block in some for block in names] for some in blocks], np.int64)
    chosen = choose_covering(counts, len(known) + count, known=len(known))
    return tuple(pool[index] for index in chosen[len(known) :])


def _that_see(space: Space, codes: Sequence[Code], rng: np.random.Generator) -> tuple[Code, ...]:
    """Networks whose scores depend on the image, random ones in place of those that compute nothing.

    The fastest of a space of cells is one without a connection. Few changes away from it are networks of
    which next to nothing is left, on which no additive model holds.
    """
    seeing = {code: None for code in codes if space.decode(code).sees_image}
    for _ in range(_REPLACEMENTS):
        if len(seeing) == len(codes):
            break
        code = space.sample(rng)
        if space.decode(code).sees_image:
            seeing.setdefault(code)
    return tuple(seeing)


def num_designed(space: Space, num_networks: int) -> int:
    """How many of the networks that are asked for a space holds."""
    return num_networks if space.size is None else min(num_networks, space.size)


def check_count(num_networks: int) -> None:
    """Refuse a number of networks that makes no calibration.

    Raises:
        InvalidInputError: naming the least.
    """
    if num_networks < MIN_NETWORKS:
        raise InvalidInputError(
            f"{num_networks} whole networks make no calibration: it takes at least {MIN_NETWORKS}, and about "
            "four times as many as a layer has candidates for a good one"
        )


def _told(space: Space, pool: Sequence[Code]) -> tuple[Terms, NDArray[np.int64]]:
    """The terms of networks, and ``N x K``: how often each stands in each."""
    architectures = [space.decode(code) for code in pool]
    terms = OperatorTerms.of(space, architectures)
    told = (terms.choices(architecture) for architecture in architectures)
    return terms, terms.counts(choices for choices in told if choices is not None)


Draw = Callable[[Space, np.random.Generator], Code]


def _sampled(space: Space, rng: np.random.Generator) -> Code:
    return space.sample(rng)


def _random_codes(space: Space, count: int, rng: np.random.Generator, draw: Draw = _sampled) -> list[Code]:
    """Distinct ones whose scores depend on the image; fewer in a space that holds few."""
    drawn: dict[Code, None] = {}
    for _ in range(_DRAWS * count):
        if len(drawn) == count:
            break
        code = draw(space, rng)
        if space.decode(code).sees_image:
            drawn.setdefault(code)
    return list(drawn)


def _walked(space: Space, rng: np.random.Generator) -> Code:
    """Some mutations away from what is drawn, as what a search of an open space asks for will be.

    What such a space draws may all lie near one structure, as Zen-NAS' released sampler has it: operators of
    that alone would tell little about those of others. Networks so far apart make a poor calibration, though.
    """
    code = space.sample(rng)
    for _ in range(rng.integers(_LONGEST_WALK + 1)):
        code = space.mutate(code, rng)
    return code
