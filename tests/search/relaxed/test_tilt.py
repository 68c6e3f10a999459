"""Tilting: the slope along the line is what moving along it gives; what has decided cannot be tilted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fbsearch.costs import AdditiveCost, PeakCost
from fbsearch.nn import ArchitectureDistribution
from fbsearch.search.relaxed.tilt import Tilt

COEFFICIENTS = np.array([[3.0, 1.0, 7.0], [2.0, 5.0, np.nan]])


def some_distribution() -> ArchitectureDistribution:
    distribution = ArchitectureDistribution([3, 2])
    with torch.no_grad():
        distribution.logits.copy_(torch.tensor([[0.3, -0.2, 0.5], [0.1, -0.4, 9.0]]))
    return distribution


@pytest.mark.parametrize("kind", [AdditiveCost, PeakCost])
def test_slope_and_gradient_are_those_of_the_logarithm(kind):
    cost = kind("latency_us", 1.5, COEFFICIENTS)
    distribution = some_distribution()
    tilt = Tilt.of(distribution, cost.expectation)
    logarithm = cost.expectation(distribution.probabilities()).log()
    assert tilt.expected == pytest.approx(math.exp(float(logarithm.detach())))
    (gradient,) = torch.autograd.grad(logarithm, distribution.logits)
    torch.testing.assert_close(tilt.gradient, gradient)
    assert tilt.slope == pytest.approx(float((gradient * tilt.direction).sum()), rel=1e-5)
    with torch.no_grad():
        distribution.logits.add_(tilt.direction, alpha=1e-2)
    risen = math.log(Tilt.of(distribution, cost.expectation).expected) - float(logarithm.detach())
    assert risen == pytest.approx(1e-2 * tilt.slope, rel=0.02)


def test_a_padded_candidate_is_left_alone():
    tilt = Tilt.of(some_distribution(), PeakCost("peak_bytes", 1.5, COEFFICIENTS).expectation)
    assert float(tilt.direction[1, 2]) == 0.0


def test_a_decided_distribution_has_no_slope():
    distribution = some_distribution()
    with torch.no_grad():
        distribution.logits[:, 0] += 200
    assert Tilt.of(distribution, AdditiveCost("latency_us", 1.5, COEFFICIENTS).expectation).slope == 0.0
