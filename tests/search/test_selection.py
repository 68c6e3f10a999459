"""Exact selection against brute force, over random spaces, scores and budgets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbsearch.costs import AdditiveCost, PeakCost
from fbsearch.errors import BudgetError
from fbsearch.search import Limit, check_feasible, least_within, most_probable, sample_within
from fbsearch.search.relaxed.proposals import propose_finalists


@st.composite
def problems(draw):
    """Ragged scores, one or two additive costs and perhaps a peak cost, with bounds inside their ranges."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Coarse values make ties and architectures exactly at a bound common.
    coarse = draw(st.booleans())

    def ragged(low, high):
        values = np.full((len(sizes), max(sizes)), np.nan)
        for row, size in enumerate(sizes):
            values[row, :size] = rng.integers(low, high, size) if coarse else rng.uniform(low, high, size)
        return values

    scores = ragged(-9, 0)
    limits = []
    for kind in draw(st.lists(st.sampled_from([AdditiveCost, PeakCost]), min_size=0, max_size=3)):
        cost = kind("cost", float(rng.integers(0, 5)), ragged(0, 20) * 10.0 ** draw(st.integers(-3, 6)))
        choices = [int(rng.integers(size)) for size in sizes]
        limits.append(Limit(cost, cost.of(choices)))  # an architecture exactly at the bound
    return sizes, scores, limits


def brute_force(sizes, scores, limits):
    kept = [
        choices
        for choices in itertools.product(*map(range, sizes))
        if all(limit.admits(choices) for limit in limits)
    ]
    return max((sum(scores[s, i] for s, i in enumerate(choices)) for choices in kept), default=None)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_best_is_found_and_keeps_every_bound(problem):
    sizes, scores, limits = problem
    expected = brute_force(sizes, scores, limits)
    if expected is None:
        with pytest.raises(BudgetError):
            most_probable(scores, limits)
        return
    choices = most_probable(scores, limits)
    assert all(limit.admits(choices) for limit in limits)
    assert sum(scores[s, i] for s, i in enumerate(choices)) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_excluded_architectures_are_not_returned(problem):
    sizes, scores, limits = problem
    seen = []
    total = sum(all(limit.admits(c) for limit in limits) for c in itertools.product(*map(range, sizes)))
    for _ in range(min(total, 4)):
        seen.append(most_probable(scores, limits, excluded=seen))
    assert len(set(seen)) == len(seen)
    values = [sum(scores[s, i] for s, i in enumerate(choices)) for choices in seen]
    assert all(a >= b - 1e-5 for a, b in itertools.pairwise(values))


def test_a_budget_below_the_cheapest_is_refused_with_the_range():
    cost = AdditiveCost("latency_us", 10.0, np.array([[1.0, 2.0], [3.0, 5.0]]))
    with pytest.raises(BudgetError, match=r"13\.5 on latency_us.*14 to 17"):
        check_feasible([Limit(cost, 13.5)])
    with pytest.raises(BudgetError):
        check_feasible([Limit(cost, float("nan"))])
    check_feasible([Limit(cost, 14.0)])


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([0.5, 0.9, 1.0]))
def test_the_best_that_uses_a_budget_is_the_best_of_all_that_use_one(problem, use):
    sizes, scores, limits = problem
    additive = [limit for limit in limits if isinstance(limit.cost, AdditiveCost)]
    kept = [
        choices
        for choices in itertools.product(*map(range, sizes))
        if all(limit.admits(choices) for limit in limits)
        and (not additive or any(limit.cost.of(choices) >= use * limit.bound for limit in additive))
    ]
    if not kept:
        with pytest.raises(BudgetError):
            most_probable(scores, limits, use=use)
        return
    choices = most_probable(scores, limits, use=use)
    assert choices in kept
    expected = max(sum(scores[s, i] for s, i in enumerate(one)) for one in kept)
    assert sum(scores[s, i] for s, i in enumerate(choices)) == pytest.approx(expected, abs=1e-5)
    rng = np.random.default_rng(0)
    assert set(sample_within(scores, limits, count=2, rng=rng, use=use)) <= set(kept)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_least_within_the_other_bounds_is_that_of_brute_force(problem):
    sizes, _, limits = problem
    for limit in limits:
        others = [other for other in limits if other is not limit]
        values = [
            limit.cost.of(choices)
            for choices in itertools.product(*map(range, sizes))
            if all(other.admits(choices) for other in others)
        ]
        if not values:
            with pytest.raises(BudgetError):
                least_within(limit.cost, others)
            continue
        assert least_within(limit.cost, others) == pytest.approx(min(values), rel=1e-6)


def test_bounds_that_exclude_each_other_are_refused_with_what_the_others_leave():
    first = AdditiveCost("latency_us", 0.0, np.array([[1.0, 5.0], [1.0, 5.0]]))
    second = AdditiveCost("num_params", 0.0, np.array([[9.0, 2.0], [9.0, 2.0]]))
    third = PeakCost("peak_bytes", 1.0, np.array([[3.0, 4.0], [3.0, 4.0]]))
    check_feasible([Limit(first, 6.0), Limit(second, 11.0), Limit(third, 4.0)])
    with pytest.raises(BudgetError, match=r"latency_us is at least 6 \(its budget is 5\)"):
        check_feasible([Limit(first, 5.0), Limit(second, 11.0)])
    with pytest.raises(BudgetError, match=r"peak_bytes is at least 4 \(its budget is 3\)"):
        check_feasible([Limit(third, 3.0), Limit(second, 11.0)])


def test_bounds_that_no_architecture_keeps_together_are_refused():
    first = AdditiveCost("a", 0.0, np.array([[0.0, 1.0]]))
    second = AdditiveCost("b", 0.0, np.array([[1.0, 0.0]]))
    with pytest.raises(BudgetError, match="at once"):
        most_probable(np.zeros((1, 2)), [Limit(first, 0.5), Limit(second, 0.5)])


def test_samples_are_distinct_and_within_the_bound():
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(9), 22))
    cost = AdditiveCost("latency_us", 5.0, rng.uniform(0, 100, (22, 9)))
    least, greatest = cost.range()
    limit = Limit(cost, least + 0.2 * (greatest - least))
    samples = sample_within(scores, [limit], count=8, rng=rng, excluded=[])
    assert len(set(samples)) == len(samples) == 8
    assert all(limit.admits(choices) for choices in samples)


def test_without_a_bound_samples_follow_the_distribution():
    probabilities = np.array([[0.7, 0.3]])
    draws = [
        sample_within(np.log(probabilities), [], count=1, rng=np.random.default_rng(seed))[0][0]
        for seed in range(600)
    ]
    # Four standard deviations of 600 draws.
    assert np.mean(draws) == pytest.approx(0.3, abs=0.075)


def test_the_best_between_two_bounds_is_the_best_of_all_that_keep_both():
    rng = np.random.default_rng(5)
    for _ in range(30):
        cost = AdditiveCost("latency", 2.0, rng.uniform(0, 10, (4, 3)))
        scores = rng.normal(size=(4, 3))
        low, high = sorted(rng.uniform(*cost.range(), 2))
        limit = Limit(cost, high, floor=low)
        every = [
            choices for choices in itertools.product(range(3), repeat=4) if low <= cost.of(choices) <= high
        ]
        if not every:
            with pytest.raises(BudgetError):
                most_probable(scores, [limit])
            continue
        best = max(every, key=lambda one: scores[range(4), one].sum())
        assert most_probable(scores, [limit]) == best
        assert all(limit.admits(one) for one in sample_within(scores, [limit], count=3, rng=rng))


def test_finalists_use_the_budget_where_the_space_lets_them():
    cost = AdditiveCost("latency", 0.0, np.array([[1.0, 10.0], [1.0, 10.0]]))
    log_p = np.log([[0.9, 0.1], [0.8, 0.2]])  # the most probable of all takes 2 of the 11
    rng = np.random.default_rng(0)
    proposed = propose_finalists(log_p, [Limit(cost, 11.0)], count=4, rng=rng, use=0.9)
    assert proposed == [(0, 1), (1, 0)]
    unreachable = propose_finalists(log_p, [Limit(cost, 9.0)], count=4, rng=rng, use=0.9)
    assert unreachable == [(0, 0)], "none uses 8.1 to 9: the floor is dropped"
