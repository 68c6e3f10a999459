"""Latency in an open space: from the table what is measured, the rest estimated; and how much that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fbsearch.architecture import Architecture, Operator
from fbsearch.costs.any_space import latency_in
from fbsearch.costs.architecture import latency_label
from fbsearch.costs.cost import Cost
from fbsearch.costs.work import count_work
from fbsearch.latency import LatencyTable
from fbsearch.latency.estimation.estimator import OperatorEstimator, fit_estimator
from fbsearch.spaces import Space

_TYPICAL_NETWORKS = 16
"""Random ones, by which is told how much of a space is estimated."""


@dataclass(frozen=True)
class EstimatedLatency:
    """An architecture's latency, and how much of it is no measurement.

    Args:
        latency_us: measured and estimated together, calibrated where the table is.
        estimated_share: the part of the operators' sum that is estimated; 0 where all are measured.
        relative_error: standard deviation of the sum through what is estimated, as a share of it.
        num_outside: estimated operators outside of what was measured of their kind.
    """

    latency_us: float
    estimated_share: float
    relative_error: float
    num_outside: int

    @property
    def words(self) -> str:
        """For people."""
        if self.estimated_share == 0:
            return "0 % estimated"
        outside = f", {self.num_outside} operators outside of what was measured" if self.num_outside else ""
        return f"{_percent(self.estimated_share)} estimated, error ±{_percent(self.relative_error)}{outside}"


@dataclass(frozen=True, eq=False)
class EstimatingLatency:
    """Latency of the architectures of an open space, whether or not the table holds all their operators.

    What is far outside of all that was measured has no latency that could be believed: an architecture with
    such an operator is taken to need for ever, so that it keeps no budget, until the operator is measured.

    Args:
        space: whose codes are asked.
        table: that holds some of the operators.
        estimator: fitted to it.
        is_calibrated: whether the table's calibration speaks for the architectures.
        name: the quantity with its unit.
    """

    space: Space
    table: LatencyTable
    estimator: OperatorEstimator
    is_calibrated: bool
    name: str = "latency_us"

    @cached_property
    def label(self) -> str:
        """Where the numbers come from, and how much of a random network's latency is estimated, in words."""
        known = latency_label(self.space, self.table, plain=not self.is_calibrated)
        rng = np.random.default_rng(0)
        networks = [self.space.decode(self.space.sample(rng)) for _ in range(_TYPICAL_NETWORKS)]
        estimates = [self.estimate(one) for one in networks]
        share = float(np.median([one.estimated_share for one in estimates]))
        error = float(np.median([one.relative_error for one in estimates]))
        return f"{known}; of a random network {_percent(share)} estimated, error ±{_percent(error)}"

    def of(self, code: Sequence[int]) -> float:
        """The latency of the architecture at ``code``, in microseconds; infinite where nothing tells it.

        Raises:
            EstimationError: if the table holds too few operators of a kind to estimate another.
        """
        return self._latency_us(self.space.decode(code))

    def estimated_share(self, architecture: Architecture) -> float:
        """The part of the operators' sum that is estimated; 0 where all are measured.

        Raises:
            EstimationError: as :meth:`of`.
        """
        operators = tuple(architecture.computed_operators())
        missing = self.missing(operators)
        if not missing:
            return 0.0
        sum_us = sum(map(self._operator_us, operators))
        return sum(map(self._operator_us, missing)) / sum_us if math.isfinite(sum_us) else 1.0

    def estimate(self, architecture: Architecture) -> EstimatedLatency:
        """The latency of an architecture, and how much of it is no measurement.

        Raises:
            EstimationError: as :meth:`of`.
        """
        operators = tuple(architecture.computed_operators())
        missing, sum_us = self.missing(operators), sum(map(self._operator_us, operators))
        return EstimatedLatency(
            latency_us=self._latency_us(architecture),
            estimated_share=self.estimated_share(architecture),
            relative_error=self.estimator.total_error_us(missing) / sum_us if missing else 0.0,
            num_outside=sum(self.estimator.estimate(one).is_extrapolated for one in missing),
        )

    def missing(self, operators: Iterable[Operator]) -> list[Operator]:
        """Those that the table lacks, as often as they stand there."""
        return [one for one in operators if not one.is_free and one.key not in self.table.entries]

    def _latency_us(self, architecture: Architecture) -> float:
        sum_us = sum(map(self._operator_us, architecture.computed_operators()))
        calibration = self.table.calibration
        if not self.is_calibrated or calibration is None or not math.isfinite(sum_us):
            return sum_us
        calibrated_us = calibration.architecture_us(architecture, self._operator_us)
        return sum_us if calibrated_us is None else calibrated_us

    def _operator_us(self, operator: Operator) -> float:
        if operator.is_free or operator.key in self.table.entries:
            return self.table.latency_us(operator)
        estimate = self.estimator.estimate(operator)
        return math.inf if estimate.is_far else estimate.latency_us


def estimating_latency(space: Space, table: LatencyTable, *, plain: bool = False) -> EstimatingLatency:
    """Latency in microseconds in an open space: operators that the table lacks are estimated from its own.

    Args:
        space: to be priced.
        table: measured for it, at least in part.
        plain: take the operators as alone whatever else the table holds.

    Raises:
        EstimationError: if the table holds too little to estimate from.
        TableError: if a space whose operators can be listed lacks some.
    """
    table.check_space(space)
    is_calibrated = not plain and table.calibration_for(space) is not None
    return EstimatingLatency(space, table, fit_estimator(table, count_work), is_calibrated)


def searchable_latency(space: Space, table: LatencyTable, *, plain: bool = False) -> Cost:
    """Latency in microseconds to search by: of an open space what the table lacks is estimated.

    Args:
        space: to be searched.
        table: of the space.
        plain: take the operators as alone whatever else the table holds.

    Raises:
        TableError: if the table is of another space, lacks an operator that can be listed, or holds too few
            to estimate others from.
    """
    if space.operators() is None:
        return estimating_latency(space, table, plain=plain)
    return latency_in(space, table, plain=plain)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
