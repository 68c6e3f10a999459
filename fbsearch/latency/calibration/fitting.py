"""The additive model in context: from sums of isolated operators to latencies of whole networks.

An operator that loops alone finds its weights and activations in the cache and pays for a call of its
own; within a network neither holds, and runtimes fuse or reorder at its borders. A line through whole
networks takes out what all operators share, a correction per term much of the rest:

    T(a) = alpha + beta * s(a) + sum_k n_k(a) d_k
    d_k = w_k * (b_{block(k)} + u_{op(k)} + v_k)

with s the sum of isolated latencies and n_k how often term k stands in a network. A term is an operator at
one place, where every network has one of them, or an operator wherever it stands. b belongs to a block
whatever its shape (a runtime may be slow at joining grouped convolutions to their neighbours, say), u to the
operator wherever it stands, v to it at one place. All are shrunken, to variances of kappa * t * sigma²,
(1 - kappa) * rho * t * sigma² and (1 - kappa) * (1 - rho) * t * sigma², where sigma is the relative noise of
a measurement. w is the mean of the term's isolated latency and its place's, so that corrections scale with
what they correct and yet a skip, which takes no time alone, may have one; without places, it is the isolated
latency.

It is linear: for given t, kappa and rho the best linear unbiased prediction has a closed form (Henderson,
1975), and so have its leave-one-out predictions. The three are chosen by leave-one-out cross-validation: the
largest predictive density of each network given the others (Sundararajan and Keerthi, 2001), which in trials
picked less noise than the smallest squared error. t = 0 is the line alone. A term that stands in no network
has v = 0, one whose operator stands in none u = 0 as well, one whose block stands in none d = 0: the line
alone. There may be many more terms than networks: what these cannot tell apart stays at what was measured
alone, but for what its block has in common.
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
    """The operators of terms as measured alone.

    Args:
        fixed_us: sum over what all networks have.
        terms_us: ``K``.
        operators: ``K``, a number for each distinct operator.
        blocks: ``K``, the same for operators that differ in channels, resolution and stride at most.
        places: ``K``, the number of each term's place, of which every network has one; None where terms
            have none.
    """

    fixed_us: float
    terms_us: FloatArray
    operators: NDArray[np.int64]
    blocks: NDArray[np.int64]
    places: NDArray[np.int64] | None

    def sums_us(self, counts: NDArray[np.int64]) -> FloatArray:
        """``N``: the sums of networks, of ``N x K``: how often each term stands in each."""
        sums: FloatArray = self.fixed_us + counts @ self.terms_us
        return sums

    @cached_property
    def scales_us(self) -> FloatArray:
        """``K``: w, see above."""
        if self.places is None:
            return self.terms_us
        totals = np.bincount(self.places, self.terms_us)
        means: FloatArray = totals / np.bincount(self.places)
        return (self.terms_us + means[self.places]) / 2


@dataclass(frozen=True, eq=False)
class ContextFit:
    """T(a) = intercept + slope * s(a) + sum_k n_k(a) corrections[k], in microseconds.

    Args:
        intercept_us: alpha; may be negative, since every operator measured alone includes a call's overhead.
        slope: beta, above 0.
        corrections_us: ``K``; 0 where nothing is known.
        blocks: ``K``: b of each term's block, which is all that is known of other operators of the block.
        shrinkage: that was used.
        errors: ``N``: 1 - predicted / measured of every network, predicted from the others alone.
        score: mean log-density of these predictions, up to a constant; the larger the better.
    """

    intercept_us: float
    slope: float
    corrections_us: FloatArray
    blocks: FloatArray
    shrinkage: Shrinkage
    errors: FloatArray
    score: float

    def coefficients(self, isolated: IsolatedLatencies) -> tuple[float, FloatArray]:
        """The model as a fixed latency and one per term (``K``), which at places is not below 0.

        What a place's terms have in common can stand with either; where a term's own would be negative (a
        skip that spares its neighbours work), its place is lifted and the fixed part lowered.
        """
        own = self.slope * isolated.terms_us + self.corrections_us
        fixed = self.intercept_us + self.slope * isolated.fixed_us
        if isolated.places is None:
            return fixed, own
        lift = np.zeros(isolated.places.max() + 1)
        np.maximum.at(lift, isolated.places, -own)
        return fixed - float(lift.sum()), own + lift[isolated.places]


def fit_in_context(
    isolated: IsolatedLatencies,
    counts: NDArray[np.int64],
    measured_us: Sequence[float],
    *,
    shrinkage: Shrinkage | None = None,
) -> ContextFit:
    """The additive model that fits whole networks best, in squared relative errors.

    Args:
        isolated: the terms' operators.
        counts: ``N x K``: how often each term stands in each network; at least three networks of two
            different sums.
        measured_us: their latencies as wholes.
        shrinkage: None chooses it by cross-validation.

    Raises:
        CalibrationError: if there are too few networks, or they do not take longer where sums are larger.
    """
    sums = isolated.sums_us(counts)
    if len(sums) < 3 or np.ptp(sums) == 0:
        raise CalibrationError(
            "a calibration needs whole networks of at least two different table sums, "
            f"at least three in all; there are {len(sums)}: measure more"
        )
    problem = _Problem(isolated, counts, np.asarray(measured_us, float), sums)
    fits = [problem.solve(shrinkage or Shrinkage())]
    if not fits[0].slope > 0:
        raise CalibrationError(
            "whole networks do not take longer where the table's sums are larger "
            f"(slope {fits[0].slope:.3g}): the device is too busy to measure on; quieten it and measure again"
        )
    if shrinkage is not None:
        return fits[0]
    shares = _SHARES if isolated.places is not None else _SHARES[:1]  # without places, u and v are one
    grid = itertools.product(_SPREADS[1:], shares, _ALIKE)
    fits += [problem.solve(Shrinkage(spread, shared, alike)) for spread, shared, alike in grid]
    return max((fit for fit in fits if fit.slope > 0), key=lambda fit: fit.score)


class _Problem:
    """Rows divided by the measured latencies, so that residuals are relative errors."""

    def __init__(
        self, isolated: IsolatedLatencies, counts: NDArray[np.int64], measured: FloatArray, sums: FloatArray
    ) -> None:
        self._isolated = isolated
        self._targets = np.ones_like(measured)
        self._typical = float(measured.mean())
        self._line = np.stack([np.full_like(sums, self._typical), sums], axis=1) / measured[:, None]
        self._terms = counts * isolated.scales_us / measured[:, None]  # N x K: v's columns
        # K x N: covariance of corrections and networks, were they all b's or all u's
        self._of_blocks = _is_same(isolated.blocks) @ self._terms.T
        self._of_operators = _is_same(isolated.operators) @ self._terms.T

    def solve(self, shrinkage: Shrinkage) -> ContextFit:
        """Generalised least squares for the line, the conditional mean for the corrections.

        With M = kappa Z_b Z_b' + (1 - kappa) (rho Z_u Z_u' + (1 - rho) Z_v Z_v'), A = I + t M and
        P = A^-1 - A^-1 X (X' A^-1 X)^-1 X' A^-1, a network that is left out is predicted with an error of
        (P y)_i / P_ii and a variance of sigma² / P_ii.
        """
        line, terms = self._line, self._terms
        of_blocks = shrinkage.alike * self._of_blocks
        rest = shrinkage.shared * self._of_operators + (1 - shrinkage.shared) * terms.T
        mixture = of_blocks + (1 - shrinkage.alike) * rest
        gain = shrinkage.spread * mixture  # K x N: covariance of corrections and networks
        inverse = np.linalg.inv(terms @ gain + np.eye(len(line)))
        whitened = inverse @ line
        information = line.T @ whitened
        coefficients = np.linalg.solve(information, whitened.T @ self._targets)
        projector = inverse - whitened @ np.linalg.solve(information, whitened.T)
        weights = projector @ self._targets
        precisions = np.maximum(np.diag(projector), _LEAST)  # 0 where the others say nothing about a network
        noise = max(float((weights**2 / precisions).mean()), _LEAST)
        return ContextFit(
            intercept_us=self._typical * float(coefficients[0]),
            slope=float(coefficients[1]),
            corrections_us=(gain @ weights) * self._isolated.scales_us,
            blocks=shrinkage.spread * (of_blocks @ weights),
            shrinkage=shrinkage,
            errors=weights / precisions,
            score=float(np.log(precisions / noise).mean()) / 2,
        )


def _is_same(numbers: NDArray[np.int64]) -> FloatArray:
    same: FloatArray = (numbers[:, None] == numbers).astype(float)
    return same
