"""The additive model in context: from sums of isolated operators to latencies of whole networks.

An operator that loops alone finds its weights and activations in the cache and pays for a call of its
own; within a network neither holds, and runtimes fuse or reorder at its borders. A line through whole
networks takes out what all operators share, a correction per candidate and layer much of the rest:

    T(a) = alpha + beta * s(a) + sum_l d_{l, a_l}
    d_{l, i} = w_{l, i} * (b_{block(l, i)} + u_{op(l, i)} + v_{l, i})

with s the sum of isolated latencies. b belongs to a block whatever its shape (a runtime may be slow at
joining grouped convolutions to their neighbours, say), u to the operator wherever it stands, v to it in one
layer. All are shrunken, to variances of kappa * t * sigma², (1 - kappa) * rho * t * sigma² and
(1 - kappa) * (1 - rho) * t * sigma², where sigma is the relative noise of a measurement. w is the mean of the
candidate's isolated latency and its layer's, so that corrections scale with what they correct and yet a skip,
which takes no time alone, may have one.

It is linear: for given t, kappa and rho the best linear unbiased prediction has a closed form (Henderson,
1975), and so have its leave-one-out predictions. The three are chosen by leave-one-out cross-validation: the
largest predictive density of each network given the others (Sundararajan and Keerthi, 2001), which in trials
picked less noise than the smallest squared error. t = 0 is the line alone. A candidate that stands in no
network has v = 0, one whose operator stands in none u = 0 as well, one whose block stands in none d = 0: the
line alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fbsearch.errors import CalibrationError

FloatArray = NDArray[np.float64]

_SPREADS = (0.0, *(float(f"{10.0**power:.4g}") for power in np.arange(-1, 6.5, 0.5)))
_SHARES = (0.0, 0.5, 1.0)
_ALIKE = (0.0, 0.25, 0.5, 0.75)
_LEAST = 1e-12


@dataclass(frozen=True)
class Shrinkage:
    """How freely corrections may move.

    Args:
        spread: t, the variance of corrections as a multiple of the noise's; 0 leaves the line alone.
        shared: rho, the part of the rest that an operator has in common wherever it stands.
        alike: kappa, the part of it that a block has in common whatever its shape.
    """

    spread: float = 0.0
    shared: float = 0.0
    alike: float = 0.0


@dataclass(frozen=True, eq=False)
class IsolatedLatencies:
    """A space's operators as measured alone.

    Args:
        fixed_us: sum over stem and head.
        candidates_us: ``S x C``; NaN where a slot has no such candidate.
        operators: ``S x C``, a number for each distinct operator; any where there is no candidate.
        blocks: ``S x C``, the same for operators that differ in channels, resolution and stride at most.
    """

    fixed_us: float
    candidates_us: FloatArray
    operators: NDArray[np.int64]
    blocks: NDArray[np.int64]

    def sums_us(self, networks: Sequence[Sequence[int]]) -> FloatArray:
        """``N``: the sums of the networks at these choices."""
        num_slots = len(self.candidates_us)
        chosen = np.asarray(networks, np.int64).reshape(-1, num_slots)
        sums: FloatArray = self.fixed_us + self.candidates_us[np.arange(num_slots), chosen].sum(axis=1)
        return sums

    @cached_property
    def scales_us(self) -> FloatArray:
        """``S x C``: w, see above; 0 where a slot has no such candidate."""
        means = np.nanmean(self.candidates_us, axis=1, keepdims=True)
        scales: FloatArray = np.nan_to_num((self.candidates_us + means) / 2)
        return scales


@dataclass(frozen=True, eq=False)
class ContextFit:
    """T(a) = intercept + slope * s(a) + sum_l corrections[l, a_l], in microseconds.

    Args:
        intercept_us: alpha; may be negative, since every operator measured alone includes a call's overhead.
        slope: beta, above 0.
        corrections_us: ``S x C``; 0 where nothing is known, NaN where a slot has no such candidate.
        shrinkage: that was used.
        errors: ``N``: 1 - predicted / measured of every network, predicted from the others alone.
        score: mean log-density of these predictions, up to a constant; the larger the better.
    """

    intercept_us: float
    slope: float
    corrections_us: FloatArray
    shrinkage: Shrinkage
    errors: FloatArray
    score: float

    def coefficients(self, isolated: IsolatedLatencies) -> tuple[float, FloatArray]:
        """The model as a fixed latency and one per candidate (``S x C``), none of them below 0.

        What a layer's candidates have in common can stand with either; where a candidate's own would be
        negative (a skip that spares its neighbours work), its layer is lifted and the fixed part lowered.
        """
        own = self.slope * isolated.candidates_us + self.corrections_us
        lift = np.maximum(0.0, -np.nanmin(own, axis=1, keepdims=True))
        fixed = self.intercept_us + self.slope * isolated.fixed_us - float(lift.sum())
        return fixed, own + lift


def fit_in_context(
    isolated: IsolatedLatencies,
    networks: Sequence[Sequence[int]],
    measured_us: Sequence[float],
    *,
    shrinkage: Shrinkage | None = None,
) -> ContextFit:
    """The additive model that fits whole networks best, in squared relative errors.

    Args:
        isolated: the space's operators.
        networks: choices, at least three networks of two different sums.
        measured_us: their latencies as wholes.
        shrinkage: None chooses it by cross-validation.

    Raises:
        CalibrationError: if there are too few networks, or they do not take longer where sums are larger.
    """
    sums = isolated.sums_us(networks)
    if len(sums) < 3 or np.ptp(sums) == 0:
        raise CalibrationError(
            "a calibration needs whole networks of at least two different table sums, "
            f"at least three in all; there are {len(sums)}: measure more"
        )
    problem = _Problem(isolated, np.asarray(networks), np.asarray(measured_us, float), sums)
    fits = [problem.solve(shrinkage or Shrinkage())]
    if not fits[0].slope > 0:
        raise CalibrationError(
            "whole networks do not take longer where the table's sums are larger "
            f"(slope {fits[0].slope:.3g}): the device is too busy to measure on; quieten it and measure again"
        )
    if shrinkage is not None:
        return fits[0]
    grid = itertools.product(_SPREADS[1:], _SHARES, _ALIKE)
    fits += [problem.solve(Shrinkage(spread, shared, alike)) for spread, shared, alike in grid]
    return max((fit for fit in fits if fit.slope > 0), key=lambda fit: fit.score)


class _Problem:
    """Rows divided by the measured latencies, so that residuals are relative errors."""

    def __init__(
        self, isolated: IsolatedLatencies, networks: NDArray[np.int64], measured: FloatArray, sums: FloatArray
    ) -> None:
        num_candidates = isolated.candidates_us.shape[1]
        self._isolated = isolated
        self._targets = np.ones_like(measured)
        self._typical = float(measured.mean())
        self._line = np.stack([np.full_like(sums, self._typical), sums], axis=1) / measured[:, None]
        chosen = (networks[:, :, None] == np.arange(num_candidates)) * isolated.scales_us
        self._places = chosen.reshape(len(networks), -1) / measured[:, None]  # N x SC: v's columns
        # SC x N: covariance of corrections and networks, were they all b's or all u's
        self._of_blocks = _is_same(isolated.blocks) @ self._places.T
        self._of_operators = _is_same(isolated.operators) @ self._places.T

    def solve(self, shrinkage: Shrinkage) -> ContextFit:
        """Generalised least squares for the line, the conditional mean for the corrections.

        With M = kappa Z_b Z_b' + (1 - kappa) (rho Z_u Z_u' + (1 - rho) Z_v Z_v'), A = I + t M and
        P = A^-1 - A^-1 X (X' A^-1 X)^-1 X' A^-1, a network that is left out is predicted with an error of
        (P y)_i / P_ii and a variance of sigma² / P_ii.
        """
        line, places = self._line, self._places
        rest = shrinkage.shared * self._of_operators + (1 - shrinkage.shared) * places.T
        mixture = shrinkage.alike * self._of_blocks + (1 - shrinkage.alike) * rest
        gain = shrinkage.spread * mixture  # SC x N: covariance of corrections and networks
        inverse = np.linalg.inv(places @ gain + np.eye(len(line)))
        whitened = inverse @ line
        information = line.T @ whitened
        coefficients = np.linalg.solve(information, whitened.T @ self._targets)
        projector = inverse - whitened @ np.linalg.solve(information, whitened.T)
        weights = projector @ self._targets
        precisions = np.maximum(np.diag(projector), _LEAST)  # 0 where the others say nothing about a network
        noise = max(float((weights**2 / precisions).mean()), _LEAST)
        relative = (gain @ weights).reshape(self._isolated.candidates_us.shape)
        corrections = relative * self._isolated.scales_us
        corrections[np.isnan(self._isolated.candidates_us)] = np.nan
        return ContextFit(
            intercept_us=self._typical * float(coefficients[0]),
            slope=float(coefficients[1]),
            corrections_us=corrections,
            shrinkage=shrinkage,
            errors=weights / precisions,
            score=float(np.log(precisions / noise).mean()) / 2,
        )


def _is_same(numbers: NDArray[np.int64]) -> FloatArray:
    flat = numbers.reshape(-1, 1)
    same: FloatArray = (flat == flat.T).astype(float)
    return same
