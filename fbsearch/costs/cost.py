"""Costs of a space from slots x candidates coefficients.

A cost is a number for an architecture and a differentiable expectation for a distribution; at a
one-hot distribution the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]


class Cost(Protocol):
    """What a search may be charged for."""

    @property
    def name(self) -> str:
        """The quantity with its unit, such as ``latency_us``."""

    @property
    def coefficients(self) -> FloatArray:
        """``S x C``: each candidate's own cost; NaN where a slot has no such candidate."""

    def of(self, choices: Sequence[int]) -> float:
        """The cost of the architecture at ``choices``."""

    def expectation(self, weights: Tensor) -> Tensor:
        """The expected cost, a scalar, of ``weights`` (``S x C``, rows summing to 1)."""

    def range(self) -> tuple[float, float]:
        """The least and the greatest cost in the space."""


@dataclass(frozen=True, eq=False)
class AdditiveCost:
    """C(a) = fixed + sum_l c_{l, a_l}; expected, fixed + sum_l sum_i m_{l,i} c_{l,i} (FBNet, Equation 3).

    Args:
        name: the quantity with its unit.
        fixed: cost of stem and head, and of what all architectures share.
        coefficients: ``S x C``; NaN where a slot has no such candidate.
        label: where the numbers come from, in words, if there is a choice.
    """

    name: str
    fixed: float
    coefficients: FloatArray
    label: str = ""

    def of(self, choices: Sequence[int]) -> float:
        """The cost of the architecture at ``choices``."""
        return self.fixed + float(sum(row[i] for row, i in zip(self.coefficients, choices, strict=True)))

    def expectation(self, weights: Tensor) -> Tensor:
        """The expected cost, a scalar, of ``weights`` (``S x C``)."""
        coefficients = torch.as_tensor(np.nan_to_num(self.coefficients), device=weights.device)
        return self.fixed + (weights * coefficients.to(weights.dtype)).sum()

    def range(self) -> tuple[float, float]:
        """The least and the greatest cost in the space."""
        least = float(np.nanmin(self.coefficients, axis=1).sum())
        greatest = float(np.nanmax(self.coefficients, axis=1).sum())
        return self.fixed + least, self.fixed + greatest


@dataclass(frozen=True, eq=False)
class PeakCost:
    """C(a) = max(fixed, max_l c_{l, a_l}), for memory that layers use one after the other.

    With independent slots the maximum's distribution function is the product of the slots', so the
    expectation is exact: E[max] = sum_k v_k (F(v_k) - F(v_{k-1})), F(v) = prod_l P(c_l <= v).

    Args:
        name: the quantity with its unit.
        fixed: the largest cost in stem and head.
        coefficients: ``S x C``; NaN where a slot has no such candidate.
    """

    name: str
    fixed: float
    coefficients: FloatArray

    def of(self, choices: Sequence[int]) -> float:
        """The cost of the architecture at ``choices``."""
        return max(self.fixed, *(float(row[i]) for row, i in zip(self.coefficients, choices, strict=True)))

    def expectation(self, weights: Tensor) -> Tensor:
        """The expected cost, a scalar, of ``weights`` (``S x C``)."""
        values = torch.as_tensor(self._values, device=weights.device, dtype=weights.dtype)
        below = torch.as_tensor(self._below, device=weights.device, dtype=weights.dtype)
        cumulative = (weights[:, :, None] * below).sum(1).prod(0)
        steps = torch.diff(cumulative, prepend=cumulative.new_zeros(1))
        return (values * steps).sum()

    def range(self) -> tuple[float, float]:
        """The least and the greatest cost in the space."""
        least = float(np.nanmin(self.coefficients, axis=1).max())
        return max(self.fixed, least), max(self.fixed, float(np.nanmax(self.coefficients)))

    @cached_property
    def _values(self) -> FloatArray:
        """``K``: the values that the maximum can take, ascending."""
        present = self.coefficients[~np.isnan(self.coefficients)]
        return np.unique(np.maximum(present, self.fixed))

    @cached_property
    def _below(self) -> NDArray[np.bool_]:
        """``S x C x K``: whether a candidate's cost is at most the k-th value."""
        return np.nan_to_num(self.coefficients, nan=0.0)[:, :, None] <= self._values
