"""Who survives: the best by score, or those that no other one beats in score and cost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.search.trials.evolution.member import Member, merits
from fbsearch.search.trials.evolution.survival import best_survive, first_front, front_survives

VALUES = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 5)), min_size=1, max_size=12)


def members_of(scores: list[float]) -> list[Member]:
    return [Member((index,), (score,)) for index, score in enumerate(scores)]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_the_best_survive_in_their_order_and_the_older_of_equals(scores: list[int], size: int) -> None:
    members = members_of([float(score) for score in scores])
    kept = best_survive(members, size)
    assert len(kept) == min(size, len(members))
    assert [members.index(one) for one in kept] == sorted(members.index(one) for one in kept)
    ranked = sorted(members, key=lambda one: (-one.scores[0], one.code))
    assert set(kept) == set(ranked[:size])


@given(VALUES)
def test_the_front_is_what_nothing_beats(values: list[tuple[int, int]]) -> None:
    rows = np.array(values, float)
    beaten = [any((other <= row).all() and (other < row).any() for other in rows) for row in rows]
    assert set(first_front(rows).tolist()) == {index for index, one in enumerate(beaten) if not one}


@given(VALUES, st.integers(1, 12))
def test_of_a_front_survive_the_unbeaten_first(values: list[tuple[int, int]], size: int) -> None:
    members = members_of([float(score) for score, _ in values])
    survive = front_survives(lambda member: float(values[member.code[0]][1]))
    kept = survive(members, size)
    assert len(kept) == min(size, len(members))
    front = first_front(np.array([(-score, cost) for score, cost in values], float)).tolist()
    unbeaten = {members[index] for index in front}
    assert unbeaten <= set(kept) or set(kept) <= unbeaten


def test_a_crowded_front_keeps_its_ends_and_its_gaps_filled() -> None:
    costs = [0.0, 1.0, 1.1, 1.2, 5.0, 10.0]
    members = members_of(costs)  # the dearer the better: all are on the front
    kept = front_survives(lambda member: costs[member.code[0]])(members, 4)
    assert {one.code[0] for one in kept} >= {0, 4, 5} and len(kept) == 4


def test_ranks_of_several_scores_do_not_depend_on_their_scale() -> None:
    table = [(1.0, 50.0), (2.0, 10.0), (3.0, 30.0)]
    plain = merits([Member((i,), row) for i, row in enumerate(table)])
    scaled = merits([Member((i,), (1e3 * a, b / 7)) for i, (a, b) in enumerate(table)])
    assert np.allclose(plain, scaled) and len(plain) == 3
    assert int(np.argmax(plain)) == 2
