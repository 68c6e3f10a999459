"""How cross-entropy and latency become one loss.

Both objectives keep latency in microseconds and are differentiable in theta through the relaxed sample or
through the distribution itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from fbsearch.errors import InvalidInputError
from fbsearch.search.selection import Limit

Expectation = Callable[[Tensor], Tensor]
"""Weights (``S x C``) to an expected cost, a scalar."""


def most_used(limits: Sequence[Limit]) -> Expectation:
    """B_1 * max_k E[C_k] / B_k: the budget that is used most, in the unit of the first one.

    An objective that drives it to B_1 uses that budget in full and keeps all others. Of one limit it is the
    expectation itself.
    """
    first = limits[0]
    if len(limits) == 1:
        return first.cost.expectation

    def expectation(weights: Tensor) -> Tensor:
        return torch.stack(
            [limit.cost.expectation(weights) * (first.bound / limit.bound) for limit in limits]
        ).max()

    return expectation


class Objective(Protocol):
    """The loss of a latency-aware search.

    Once per step it is called with the batch's cross-entropy and two latencies in microseconds: of the
    relaxed sample that computed, and expected under the distribution. After each step of theta,
    :meth:`update` is told the expectation.
    """

    def weight_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """The loss that trains the supernet's weights."""

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor, expected_us: Tensor) -> Tensor:
        """The loss that trains theta."""

    def update(self, expected_us: float) -> None:
        """Adapt to the expectation after a step of theta."""

    def metrics(self) -> dict[str, float]:
        """What to log of the objective's own state."""

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`update` has learnt."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""


class FbnetObjective:
    """L = CE * alpha * log(LAT)^beta (FBNet, Wu et al., 2019, Equation 2), LAT of the sample in microseconds.

    The natural logarithm of a latency at or below one microsecond would not be positive; such a latency
    is refused. The weights train on the same loss, as published: for them the factor is a constant.

    Args:
        alpha: scale of the loss.
        beta: weight of latency against accuracy.
    """

    def __init__(self, *, alpha: float = 0.2, beta: float = 0.6) -> None:
        self.alpha = alpha
        self.beta = beta

    def weight_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """CE * alpha * log(LAT)^beta with LAT held constant."""
        return self._loss(cross_entropy, sampled_us.detach())

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor, expected_us: Tensor) -> Tensor:
        """CE * alpha * log(LAT)^beta."""
        return self._loss(cross_entropy, sampled_us)

    def _loss(self, cross_entropy: Tensor, latency_us: Tensor) -> Tensor:
        if float(latency_us.detach()) <= 1.0:
            raise InvalidInputError(
                "FBNet's loss needs latencies above 1 us, this sample has "
                f"{float(latency_us.detach()):.3g} us: "
                "is the table in microseconds? If it is, use the budget objective"
            )
        return cross_entropy * self.alpha * latency_us.log() ** self.beta

    def update(self, expected_us: float) -> None:
        """FBNet's loss adapts nothing."""

    def metrics(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class BudgetObjective:
    r"""Drives the expected latency to a budget by the method of multipliers; nothing to tune per device.

    The search is min_theta CE subject to h(theta) = log(E_P[LAT] / B) = 0, and its augmented Lagrangian is

        L = CE + lambda * h + rho / 2 * h^2,      lambda <- lambda + eta * rho * h  after each step

    (Hestenes, 1969; Powell, 1969; with a multiplier step of eta < 1, since theta makes one gradient step
    between updates rather than a full minimisation). As usual for the method, rho grows while the
    constraint is not met: by 2 % a step while |h| > 0.02, so that a strong pull of CE is overcome in a few
    hundred steps and a weak one is never drowned. At a stationary point h = 0, whatever the scale of
    CE: lambda settles at the exchange rate between nats and log-latency which the data and the device
    imply, the very quantity that alpha and beta of FBNet's loss ask the user to guess. h is a logarithm so
    that one rho serves budgets from microseconds to seconds.

    The constraint is an equality: a supernet's early cross-entropy prefers small candidates because
    they train faster, and a mere upper bound would let the search collapse below the budget. The weights
    train on CE alone.

    Args:
        budget_us: B, the latency that the expectation is driven to.
        rho: first strength of the quadratic term, in nats per squared log-latency.
        multiplier_rate: eta.
    """

    tolerance = 0.02
    growth = 1.02
    largest_rho = 1000.0

    def __init__(self, budget_us: float, *, rho: float = 2.0, multiplier_rate: float = 0.05) -> None:
        if not (math.isfinite(budget_us) and budget_us > 0):
            raise InvalidInputError(f"a budget must be a positive latency, not {budget_us} us")
        self.budget_us = budget_us
        self.rho = rho
        self.multiplier_rate = multiplier_rate
        self.multiplier = 0.0

    def weight_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """CE."""
        return cross_entropy

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor, expected_us: Tensor) -> Tensor:
        """CE + lambda h + rho/2 h^2."""
        excess = (expected_us / self.budget_us).log()
        return cross_entropy + self.multiplier * excess + self.rho / 2 * excess**2

    def update(self, expected_us: float) -> None:
        """lambda <- lambda + eta rho h; rho grows where |h| is too large."""
        excess = math.log(expected_us / self.budget_us)
        self.multiplier += self.multiplier_rate * self.rho * excess
        if abs(excess) > self.tolerance:
            self.rho = min(self.rho * self.growth, self.largest_rho)

    def metrics(self) -> dict[str, float]:
        """The multiplier, in nats per log-latency, and rho."""
        return {"multiplier": self.multiplier, "rho": self.rho}

    def state_dict(self) -> dict[str, Any]:
        """The multiplier and rho."""
        return {"multiplier": self.multiplier, "rho": self.rho}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the multiplier and rho."""
        self.multiplier = float(state["multiplier"])
        self.rho = float(state["rho"])
