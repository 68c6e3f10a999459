"""FBNet's loss as published; the budget objective drives the expectation to its target."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from fbsearch.costs import AdditiveCost
from fbsearch.errors import InvalidInputError
from fbsearch.nn import ArchitectureDistribution
from fbsearch.search.relaxed import BudgetObjective, FbnetObjective, TemperatureSchedule


def test_fbnet_loss_is_ce_times_alpha_times_log_to_the_beta():
    """The two misreadings in circulation, CE*log(LAT^beta) and CE + LAT^beta, give other values."""
    cross_entropy, latency = torch.tensor(2.0), torch.tensor(20_000.0, requires_grad=True)
    loss = FbnetObjective(alpha=0.2, beta=0.6).architecture_loss(cross_entropy, latency)
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
        FbnetObjective().architecture_loss(torch.tensor(1.0), latency)


RNG = np.random.default_rng(0)
SPEED = RNG.uniform(1, 10, (8, 5))
BENEFIT = torch.from_numpy(SPEED / SPEED.max() + RNG.normal(0, 0.1, SPEED.shape)).float()


def cost_at(scale: float) -> AdditiveCost:
    return AdditiveCost("latency_us", 5.0 * scale, SPEED * scale)


def drive(objective, cost, *, num_steps=150, ce_scale=1.0, noise=0.0):
    """A toy in which most slow candidates are better: the distribution, and its excess after each step."""
    distribution = ArchitectureDistribution([5] * 8)
    optimizer = torch.optim.Adam(distribution.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    unequal = torch.linspace(0.1, 2.0, 8)[:, None]
    excesses = []
    for _ in range(num_steps):
        p = distribution.probabilities()
        cross_entropy = -ce_scale * (p * BENEFIT).sum()
        disturbance = noise * unequal * torch.randn(8, 5, generator=generator)
        loss = objective.architecture_loss(cross_entropy + (disturbance * p).sum(), cost.expectation(p))
        optimizer.zero_grad()
        loss.backward()
        objective.before_step(distribution, cost.expectation)
        optimizer.step()
        objective.after_step(distribution, cost.expectation)
        expected = cost.expectation(distribution.probabilities().detach())
        excesses.append(float(expected) / objective.budget_us - 1)
    return distribution, np.array(excesses)


def budget_at(cost: AdditiveCost, share: float) -> float:
    least, greatest = cost.range()
    return least + share * (greatest - least)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("ce_scale", [0.03, 1.0])
@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_budget_objective_reaches_its_target_whatever_the_scales(scale, share, ce_scale, noise):
    """And stays there, however noisy the gradients: noise must not be what decides where a search ends."""
    cost = cost_at(scale)
    objective = BudgetObjective(budget_at(cost, share))
    _, excesses = drive(objective, cost, ce_scale=ce_scale, noise=noise)
    assert excesses[50:] == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_what_is_left_free_by_the_budget_goes_to_the_best_candidates(noise):
    """The optimum of the toy is a linear programme's; holding the budget must not lead elsewhere."""
    cost = cost_at(1.0)
    budget_us = budget_at(cost, 0.4)
    objective = BudgetObjective(budget_us)
    distribution, _ = drive(objective, cost, num_steps=800, noise=noise)
    optimum = linprog(
        -BENEFIT.double().numpy().ravel(),
        A_eq=np.vstack([SPEED.ravel(), np.kron(np.eye(8), np.ones(5))]),
        b_eq=[budget_us - cost.fixed, *[1.0] * 8],
    )
    reached = float((distribution.probabilities().detach() * BENEFIT).sum())
    assert reached == pytest.approx(-optimum.fun, rel=0.01)


def test_the_multiplier_is_the_exchange_rate_of_the_optimum():
    """In the optimum one per cent more budget is worth lambda / 100 nats."""
    cost = cost_at(1.0)
    benefits = []
    objectives = [BudgetObjective(budget_at(cost, 0.4) * factor) for factor in (1.0, 1.02)]
    for objective in objectives:
        distribution, _ = drive(objective, cost, num_steps=800)
        benefits.append(float((distribution.probabilities().detach() * BENEFIT).sum()))
    rate = (benefits[1] - benefits[0]) / math.log(1.02)
    assert objectives[0].metrics()["multiplier"] == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("factor", [0.5, 1.0])
@pytest.mark.parametrize("end", [0, 1])
def test_a_budget_at_the_end_of_the_range_or_beyond_it_is_approached(factor, end):
    cost = cost_at(1.0)
    bound = cost.range()[end]
    objective = BudgetObjective(bound * factor if end == 0 else bound / factor)
    distribution, _ = drive(objective, cost, num_steps=1200, noise=1.0)
    expected = float(cost.expectation(distribution.probabilities().detach()))
    assert expected == pytest.approx(bound, rel=0.01)


def test_what_has_decided_is_left_alone():
    """Or a budget that no distribution reaches would drive theta beyond all bounds."""
    cost = cost_at(1.0)
    distribution = ArchitectureDistribution([5] * 8)
    with torch.no_grad():
        distribution.logits[:, 0] = 20.0
    BudgetObjective(cost.range()[1] * 2).after_step(distribution, cost.expectation)
    assert float(distribution.logits.detach().max()) == 20.0


def test_budget_objective_state_survives():
    cost = cost_at(1.0)
    objective, other = BudgetObjective(50.0), BudgetObjective(50.0)
    drive(objective, cost, num_steps=3)
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
