"""The generations of an evolution: what is proposed, scored, admitted, dropped and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost
from fbsearch.errors import BudgetError, ProxyError
from fbsearch.search import Limit, Problem
from fbsearch.search.between import Between
from fbsearch.search.trials.evolution.scoring import ScoringJob
from fbsearch.search.trials.evolution.settings import EvolutionSettings
from fbsearch.search.trials.evolution.task import EvolutionTask
from fbsearch.spaces import load_space

SPACE = load_space("digits")
COST = AdditiveCost("num_params", 0.0, np.arange(24.0).reshape(4, 6))
MIDDLE = Limit(COST, sum(COST.range()) / 2)

Score = Callable[[Architecture], "tuple[float, ...] | None"]


class Judge:
    """A crew that scores by a rule, the last item first, and remembers what it was given."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.scored: list[Architecture] = []

    def map(self, function: Any, items: Sequence[ScoringJob], done: Callable[[int], None]) -> list[Any]:
        results = {}
        for index in reversed(range(len(items))):
            self.scored.append(items[index].architecture)
            results[index] = self.score(items[index].architecture)
            done(len(results))
        return [results[index] for index in range(len(items))]


def by_cost(architecture: Architecture) -> tuple[float, ...]:
    """Cheap ones are bad: the search is drawn to the budget."""
    return (COST.of(SPACE.encode(architecture)),)


def make_task(
    *limits: Limit, score: Score = by_cost, between: Between | None = None, **fields: Any
) -> tuple[EvolutionTask, Judge]:
    settings = EvolutionSettings(**{"steps": 40, "generation": 8, "population": 6, "seeds": 4, **fields})
    crew = Judge(score)
    problem = Problem(SPACE, limits or (MIDDLE,), None, None, settings, seed=0, between=between)
    return EvolutionTask(problem, settings, crew), crew


def run(task: EvolutionTask, first: int = 0) -> list[dict[str, float]]:
    return [task.run_epoch(epoch, lambda done, total: None) for epoch in range(first, task.num_epochs)]


def test_members_keep_the_budget_and_nothing_is_scored_twice() -> None:
    task, crew = make_task()
    rows = run(task)
    assert len(crew.scored) == len(set(crew.scored)) == rows[-1]["num_scored"]
    assert len(task.population) == 6
    assert all(MIDDLE.admits(member.code) for member in task.archive.values())


def test_the_best_stay_and_the_best_score_never_falls() -> None:
    task, _ = make_task()
    best = [row["best_score"] for row in run(task)]
    assert best == sorted(best)
    kept = sorted(member.scores for member in task.population)
    assert kept == sorted(member.scores for member in task.archive.values())[-6:]


def test_a_rejected_proposal_uses_up_its_step() -> None:
    tight = Limit(COST, COST.range()[0] + 1)
    task, _ = make_task(tight, steps=24, attempts=400)
    row = run(task)[-1]
    assert row["num_rejected"] > 0
    assert row["num_scored"] + row["num_rejected"] <= 24


@pytest.mark.parametrize("generation", [1, 5, 40])
def test_it_proposes_exactly_as_many_as_it_has_steps(generation: int) -> None:
    task, _ = make_task(steps=37, generation=generation)
    assert (task.num_epochs - 1) * generation < 37 <= task.num_epochs * generation


def test_resumed_from_any_generation_it_goes_on_as_before() -> None:
    whole, _ = make_task()
    states = []
    for epoch in range(whole.num_epochs):
        states.append(whole.state_dict())
        whole.run_epoch(epoch, lambda done, total: None)
    for epoch, state in enumerate(states):
        resumed, _ = make_task()
        resumed.load_state_dict(state)
        run(resumed, epoch)
        assert resumed.state_dict() == whole.state_dict()


def test_another_seed_is_another_search() -> None:
    first, _ = make_task()
    second, _ = make_task()
    second._problem = Problem(SPACE, (MIDDLE,), None, None, first._settings, seed=1)
    run(first), run(second)
    assert first.state_dict() != second.state_dict()


def test_structures_without_a_score_are_left_aside() -> None:
    task, _ = make_task(score=lambda one: by_cost(one) if by_cost(one)[0] % 2 else None)
    row = run(task)[-1]
    assert row["num_without_score"] > 0
    assert all(member.scores[0] % 2 for member in task.population)


def test_a_space_where_nothing_has_a_score_is_refused() -> None:
    task, _ = make_task(score=lambda one: None)
    with pytest.raises(ProxyError, match="zen score"):
        run(task)


def test_a_budget_that_nothing_keeps_is_refused() -> None:
    task, _ = make_task(Limit(COST, COST.range()[0] - 1))
    with pytest.raises(BudgetError, match="raise a budget"):
        run(task)


def test_of_several_proxies_the_ranks_count() -> None:
    task, _ = make_task(proxy=("zen", "naswot"), score=lambda one: (by_cost(one)[0], 1e6 * by_cost(one)[0]))
    run(task)
    alone, _ = make_task()
    run(alone)
    assert {one.code for one in task.population} == {one.code for one in alone.population}


class Tightening:
    """Learns, when first asked, that all costs are one and a half times what they were thought to be."""

    def __init__(self) -> None:
        self.leaders: list[Sequence[Architecture]] = []

    def __call__(self, leaders: Sequence[Architecture]) -> Sequence[Limit] | None:
        self.leaders.append(leaders)
        return None if len(self.leaders) > 1 else self.limits

    limits = (Limit(AdditiveCost("num_params", 0.0, 1.5 * COST.coefficients), MIDDLE.bound),)


def test_members_that_break_a_budget_known_better_leave() -> None:
    between = Tightening()
    task, _ = make_task(between=between, measure_every=2)
    for epoch in range(2):
        task.run_epoch(epoch, lambda done, total: None)
    assert all(between.limits[0].admits(member.code) for member in task.population)
    assert len(task.population) < 6
    run(task, 2)
    assert all(between.limits[0].admits(member.code) for member in task.population)


def test_leaders_come_the_best_first_every_few_generations_and_at_the_end() -> None:
    between = Tightening()
    task, _ = make_task(between=between, measure_every=2, leaders=3)
    run(task)
    assert task.num_epochs == 5 and len(between.leaders) == 3
    costs = [by_cost(one) for one in between.leaders[-1]]
    assert costs == sorted(costs, reverse=True) and len(costs) <= 3


def test_a_resumed_search_goes_by_the_limits_that_it_is_given() -> None:
    task, _ = make_task()
    run(task)
    resumed, _ = make_task(*Tightening.limits, between=lambda leaders: None)
    resumed.load_state_dict(task.state_dict())
    assert all(Tightening.limits[0].admits(member.code) for member in resumed.population)
