"""How cross-entropy and latency become one loss.

Both objectives keep latency in microseconds: FBNet's loss charges the relaxed sample's, the budget is on what
is expected under the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from fbsearch.costs import tabulated
from fbsearch.errors import InvalidInputError
from fbsearch.nn import ArchitectureDistribution
from fbsearch.search.limit import Limit
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.relaxed.tilt import Expectation, Tilt


def most_used(limits: Sequence[Limit]) -> Expectation:
    """B_1 * max_k E[C_k] / B_k: the budget that is used most, in the unit of the first one.

    An objective that drives it to B_1 uses that budget in full and keeps all others. Of one limit it is the
    expectation itself.
    """
    first, costs = limits[0], [tabulated(limit.cost) for limit in limits]
    if len(limits) == 1:
        return costs[0].expectation

    def expectation(weights: Tensor) -> Tensor:
        return torch.stack(
            [
                cost.expectation(weights) * (first.bound / limit.bound)
                for cost, limit in zip(costs, limits, strict=True)
            ]
        ).max()

    return expectation


class Objective(Protocol):
    """The loss of a latency-aware search, and what it does around each step of theta.

    A step of theta: :meth:`architecture_loss` of the batch's cross-entropy and the latency in microseconds of
    the relaxed sample that computed; its gradient, averaged over the processes; :meth:`before_step`; the
    optimiser's step; :meth:`after_step`. What they are given of latencies is S x C weights to an expected
    latency in microseconds.
    """

    def weight_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """The loss that trains the supernet's weights."""

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """The loss that trains theta."""

    def before_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """Change theta's gradient, if need be."""

    def after_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """Change theta, if need be."""

    def metrics(self) -> dict[str, float]:
        """What to log of the objective's own state."""

    def state_dict(self) -> dict[str, Any]:
        """What the steps so far have taught it."""

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

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
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

    def before_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """The gradient is the loss's."""

    def after_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """Theta goes where the loss drives it."""

    def metrics(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class BudgetObjective:
    r"""Holds the expected latency at a budget while cross-entropy falls; nothing to tune per device.

    The search is min_theta CE subject to h(theta) = log(E_P[LAT] / B) = 0. Of CE's gradient there are only
    samples, and the noisier the lower the temperature; h is known exactly. So h is not left to a penalty,
    which would have to outweigh a noise of unknown size: a step goes along the surface h = constant
    (gradient projection, Rosen, 1961), and then back to h = 0.

        g <- dL/dtheta + lambda dh/dtheta,   lambda = -<dL/dtheta, u> / <dh/dtheta, u>
        theta <- optimiser(theta, g)
        theta <- theta - h / <dh/dtheta, u> u

    u is the direction of :class:`Tilt`: the way back is the one that changes P least.
    No logit moves by more than :attr:`largest_shift` on it: a search that starts far from its budget comes
    there within some ten steps, its candidates still alive. g is zero on average exactly where
    dL/dtheta = -lambda dh/dtheta, the condition of a constrained minimum, whatever the scales of CE,
    latency and learning rate. lambda is the exchange rate between nats and log-latency which the data and the
    device imply, the very quantity that alpha and beta of FBNet's loss ask the user to guess.

    The constraint is an equality: a supernet's early cross-entropy prefers small candidates because
    they train faster, and a mere upper bound would let the search collapse below the budget. The weights
    train on CE alone.

    Args:
        budget_us: B, the latency that the expectation is driven to.
    """

    largest_shift = 0.25
    least_slope = 1e-6
    """Where latency varies by less than a thousandth under P, P has decided, and is left alone."""
    smoothing = 0.05
    """Of the multiplier that is logged: each step's own is as noisy as its gradient."""

    def __init__(self, budget_us: float) -> None:
        if not (math.isfinite(budget_us) and budget_us > 0):
            raise InvalidInputError(f"a budget must be a positive latency, not {budget_us} us")
        self.budget_us = budget_us
        self.multiplier = 0.0

    def weight_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """CE."""
        return cross_entropy

    def architecture_loss(self, cross_entropy: Tensor, sampled_us: Tensor) -> Tensor:
        """CE."""
        return cross_entropy

    def before_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """Take out of theta's gradient what would change the expected latency."""
        gradient = distribution.logits.grad
        assert gradient is not None
        tilt = Tilt.of(distribution, expectation)
        if tilt.slope > self.least_slope:
            multiplier = -float((gradient * tilt.direction).sum()) / tilt.slope
            gradient.add_(tilt.gradient, alpha=multiplier)
            self.multiplier += self.smoothing * (multiplier - self.multiplier)

    @torch.no_grad()
    def after_step(self, distribution: ArchitectureDistribution, expectation: Expectation) -> None:
        """Tilt P until its expected latency is the budget, or as far as one step may."""
        tilt = Tilt.of(distribution, expectation)
        if tilt.slope > self.least_slope:
            excess = math.log(tilt.expected / self.budget_us)
            longest = self.largest_shift / float(tilt.direction.abs().max())
            length = max(-longest, min(excess / tilt.slope, longest))
            distribution.logits.sub_(tilt.direction, alpha=length)

    def metrics(self) -> dict[str, float]:
        """The multiplier, in nats per log-latency."""
        return {"multiplier": self.multiplier}

    def state_dict(self) -> dict[str, Any]:
        """The multiplier."""
        return {"multiplier": self.multiplier}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the multiplier."""
        self.multiplier = float(state["multiplier"])


def make_objective(settings: DnasSettings, budget_us: float) -> Objective:
    """The objective that the settings name."""
    if settings.objective == "fbnet":
        return FbnetObjective(alpha=settings.alpha, beta=settings.beta)
    return BudgetObjective(budget_us)
