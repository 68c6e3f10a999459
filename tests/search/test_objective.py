"""FBNet's loss as published; the budget objective drives the expectation to its target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fbsearch.costs import AdditiveCost
from fbsearch.errors import InvalidInputError
from fbsearch.nn import ArchitectureDistribution
from fbsearch.search import BudgetObjective, FbnetObjective, TemperatureSchedule


def test_fbnet_loss_is_ce_times_alpha_times_log_to_the_beta():
    """The two misreadings in circulation, CE*log(LAT^beta) and CE + LAT^beta, give other values."""
    cross_entropy, latency = torch.tensor(2.0), torch.tensor(20_000.0, requires_grad=True)
    loss = FbnetObjective(alpha=0.2, beta=0.6).architecture_loss(cross_entropy, latency, latency)
    assert float(loss.detach()) == pytest.approx(2.0 * 0.2 * math.log(20_000) ** 0.6)
    loss.backward()
    expected = 2.0 * 0.2 * 0.6 * math.log(20_000) ** -0.4 / 20_000
    assert float(latency.grad) == pytest.approx(expected, rel=1e-5)


def test_fbnet_weights_see_the_latency_as_a_constant():
    latency = torch.tensor(5000.0, requires_grad=True)
    loss = FbnetObjective().weight_loss(torch.tensor(1.0, requires_grad=True), latency)
    loss.backward()
    assert latency.grad is None


def test_fbnet_refuses_latencies_in_the_wrong_unit():
    latency = torch.tensor(0.8)
    with pytest.raises(InvalidInputError, match="microseconds"):
        FbnetObjective().architecture_loss(torch.tensor(1.0), latency, latency)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("ce_scale", [0.03, 1.0])
def test_budget_objective_reaches_its_target_whatever_the_scales(scale, share, ce_scale):
    """A toy in which slow candidates are better: the expectation settles at the budget."""
    rng = np.random.default_rng(0)
    speed = rng.uniform(1, 10, (8, 5))
    cost = AdditiveCost("latency_us", 5.0 * scale, speed * scale)
    benefit = torch.from_numpy(speed / speed.max()).float()
    least, greatest = cost.range()
    budget = least + share * (greatest - least)
    objective = BudgetObjective(budget)
    distribution = ArchitectureDistribution([5] * 8)
    optimizer = torch.optim.Adam(distribution.parameters(), lr=0.05)
    for _ in range(600):
        p = distribution.probabilities()
        expected = cost.expectation(p)
        loss = objective.architecture_loss(-ce_scale * (p * benefit).sum(), expected, expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.update(float(expected.detach()))
    assert float(cost.expectation(distribution.probabilities().detach())) == pytest.approx(budget, rel=0.02)


def test_budget_objective_state_survives():
    objective, other = BudgetObjective(100.0), BudgetObjective(100.0)
    objective.update(150.0)
    other.load_state_dict(objective.state_dict())
    assert other.metrics() == objective.metrics() != {"multiplier": 0.0}


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_budgets_are_refused(budget):
    with pytest.raises(InvalidInputError, match="positive"):
        BudgetObjective(budget)


def test_the_default_temperature_is_the_published_one():
    schedule = TemperatureSchedule()
    for epoch in (0, 10, 45, 89):
        assert schedule.at(epoch, 90) == pytest.approx(5.0 * math.exp(-0.045 * epoch))
    assert TemperatureSchedule(kind="linear", initial=1.0, final=0.03).at(149, 150) == pytest.approx(0.03)
