"""Zen-Score as a sum over candidates: the contract of costs, and how well it tracks the score itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from fbsearch.costs import AdditiveCost, tabulated
from fbsearch.errors import ProxyError
from fbsearch.proxies import is_chain, score_subject, subject_of, zen_cost
from fbsearch.spaces import FactoredSpace, load_space, parse_definition
from tests.spaces.cells import DARTS_OPS, cell_space, sums_space

CHAIN = {
    "name": "tiny",
    "resolution": 8,
    "in_channels": 1,
    "num_classes": 10,
    "stem": {"channels": 8, "stride": 1},
    "stages": [{"channels": 8, "layers": 2}, {"channels": 12, "layers": 2, "stride": 2}],
    "candidates": ["k3_e1", "k3_e3", "k5_e6", "skip"],
}


def chain() -> FactoredSpace:
    return parse_definition(CHAIN, source="test").build()  # type: ignore[return-value]  # it is factored


SPACES = {
    "chain": chain,
    "sums": sums_space,
    "cells": lambda: cell_space(nodes=2, ops=DARTS_OPS, resolution=8, stages=2),
}


@pytest.fixture(scope="module", params=SPACES)
def space(request: pytest.FixtureRequest) -> FactoredSpace:
    return SPACES[request.param]()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def cost(space: FactoredSpace) -> AdditiveCost:
    return zen_cost(space, repeats=2, seed=0, batch_size=4)


def weights_of(space: FactoredSpace, code: tuple[int, ...]) -> torch.Tensor:
    most = max(len(decision.candidates) for decision in space.decisions)
    weights = torch.zeros(len(space.decisions), most, dtype=torch.float64)
    weights[torch.arange(len(code)), torch.tensor(code)] = 1
    return weights


def test_the_expectation_at_a_one_hot_is_the_architectures(space: FactoredSpace, cost: AdditiveCost) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        code = space.sample(rng)
        expected = float(tabulated(cost).expectation(weights_of(space, code)))
        assert expected == pytest.approx(cost.of(code), rel=1e-12)
        assert cost.range()[0] <= expected <= cost.range()[1]


def test_the_gradient_agrees_with_finite_differences(space: FactoredSpace, cost: AdditiveCost) -> None:
    shape = cost.coefficients.shape
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: cost.expectation(x.softmax(1)) / cost.range()[1], (logits.requires_grad_(),)
    )


def test_what_passes_its_input_on_or_gives_zeros_adds_nothing(
    space: FactoredSpace, cost: AdditiveCost
) -> None:
    free = [
        coefficient
        for row, decision in zip(cost.coefficients, space.decisions, strict=True)
        for coefficient, candidate in zip(row, decision.candidates, strict=False)
        if all(n.operator.is_identity or n.operator.is_constant for n in candidate.nodes)
    ]
    assert free and np.array(free) == pytest.approx(0.0)
    learning = cost.coefficients[np.isfinite(cost.coefficients) & (cost.coefficients != 0)]
    assert learning.size >= len(space.decisions)


def test_equal_seeds_give_equal_tables_whatever_was_drawn_before() -> None:
    space = chain()
    first = zen_cost(space, repeats=1, seed=3, batch_size=4)
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    second = zen_cost(space, repeats=1, seed=3, batch_size=4)
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(first.coefficients, second.coefficients) and first.fixed == second.fixed
    other = zen_cost(space, repeats=1, seed=4, batch_size=4)
    assert not np.array_equal(first.coefficients, other.coefficients)


def test_of_a_chain_it_is_nearly_the_score_itself() -> None:
    space, rng = chain(), np.random.default_rng(1)
    cost = zen_cost(space, repeats=4, seed=0)
    codes = [space.sample(rng) for _ in range(12)]
    exact = [
        score_subject(subject_of(space.decode(code)), ["zen"], repeats=2, seed=1, batch_size=16)["zen"].score
        for code in codes
    ]
    added = [cost.of(code) for code in codes]
    assert added == pytest.approx(exact, abs=0.6)
    assert np.std(exact) > 1.5  # so that the line above says something
    assert kendalltau(added, exact).statistic > 0.9


def test_progress_goes_from_none_to_all_repeats() -> None:
    told: list[float] = []
    zen_cost(chain(), repeats=2, seed=0, batch_size=2, advance=told.append)
    assert told == sorted(told) and told[-1] == 2.0 and 0 < told[0] < 1


def test_a_chain_is_told_from_what_is_none() -> None:
    assert is_chain(chain()) and is_chain(load_space("digits"))
    assert not is_chain(sums_space()) and not is_chain(SPACES["cells"]())


def test_where_no_difference_is_left_there_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fbsearch.proxies.additive_zen.GAMMA", 0.0)
    with pytest.raises(ProxyError, match="Δ of the images is 0"):
        zen_cost(chain(), repeats=1, seed=0, batch_size=2)
