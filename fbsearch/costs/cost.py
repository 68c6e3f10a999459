"""Costs of a space: a number for each of its architectures, told by their codes.

Where decisions are independent a cost is tabulated, slots x candidates, and has a differentiable expectation
for a distribution too; at a one-hot distribution the two agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fbsearch.errors import SpaceError

FloatArray = NDArray[np.float64]


class Cost(Protocol):
    """What the architectures of a space are charged for."""

    @property
    def name(self) -> str:
        """The quantity with its unit, such as ``latency_us``."""

    @property
    def label(self) -> str:
        """Where the numbers come from, in words; empty where there is no choice."""

    def of(self, code: Sequence[int], /) -> float:
        """The cost of the architecture at ``code``."""


class TabulatedCost(Cost, Protocol):
    """A cost of independent decisions."""

    @property
    def coefficients(self) -> FloatArray:
        """``S x C``: each candidate's own cost; NaN where a slot has no such candidate."""

    def expectation(self, weights: Tensor) -> Tensor:
        """The expected cost, a scalar, of ``weights`` (``S x C``, rows summing to 1)."""

    def range(self) -> tuple[float, float]:
        """The least and the greatest cost in the space."""


def tabulated(cost: Cost) -> TabulatedCost:
    """``cost`` as one of independent decisions.

    Raises:
        SpaceError: if it is none.
    """
    if isinstance(cost, (AdditiveCost, PeakCost)):
        return cost
    raise SpaceError(
        f"{cost.name} has no table of decisions x candidates: the space's decisions are not independent; "
        "choose another method, or give the budget in milliseconds rather than per cent"
    )


def range_of(cost: Cost) -> tuple[float, float] | None:
    """The least and the greatest cost in the space; None where only single architectures can be asked."""
    return cost.range() if isinstance(cost, (AdditiveCost, PeakCost)) else None


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

    def plus(self, value: float) -> AdditiveCost:
        """The same with a constant more for every architecture."""
        return replace(self, fixed=self.fixed + value)

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
        label: where the numbers come from, in words, if there is a choice.
    """

    name: str
    fixed: float
    coefficients: FloatArray
    label: str = ""

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
