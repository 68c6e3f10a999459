"""Exponential tilting of an architecture distribution by what it is expected to cost.

P_s is proportional to P exp(s c), slot by slot. Of all distributions with its expectation it is the one
nearest to P in Kullback-Leibler divergence (Csiszár, 1975). In theta it is a straight line, and along it the
expectation of a sum is monotone: its slope is a variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fbsearch.nn import ArchitectureDistribution

Expectation = Callable[[Tensor], Tensor]
"""Weights (``S x C``) to an expected cost, a scalar."""


@dataclass(frozen=True)
class Tilt:
    """The line in theta along which a distribution is tilted, and what the logarithm of a cost does on it.

    Args:
        expected: E_P[C], the cost expected where the line starts.
        direction: ``S x C``: u = (c - E_P[c]) / E_P[C], slot by slot, in shares of the whole cost.
        gradient: ``S x C``: of log E_P[C] with respect to theta: P u.
        slope: of log E_P[C] along u: the relative variance sum P u^2, 0 at a one-hot.
    """

    expected: float
    direction: Tensor
    gradient: Tensor
    slope: float

    @staticmethod
    def of(distribution: ArchitectureDistribution, expectation: Expectation) -> Tilt:
        """The line at the distribution's present theta."""
        with torch.enable_grad():
            p = distribution.probabilities().detach().requires_grad_()
            expectation_at_p = expectation(p)
            (costs,) = torch.autograd.grad(expectation_at_p, p)
        p, expected = p.detach(), float(expectation_at_p.detach())
        above_mean = costs - (p * costs).sum(dim=1, keepdim=True)
        direction = above_mean * distribution.mask / expected
        gradient = p * direction
        return Tilt(expected, direction, gradient, float((gradient * direction).sum()))
