"""The estimator of a table: latencies of operators that it lacks, and how far they may be off."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.errors import EstimationError
from fbsearch.latency.estimation.features import CountWork, Described, FloatArray, Group
from fbsearch.latency.estimation.model import LatencyModel
from fbsearch.latency.estimation.validation import EstimateErrors, cross_validate
from fbsearch.latency.table import LatencyTable

MIN_OPERATORS = 8
"""Measured ones, to estimate any."""
MIN_OF_GROUP = 4
"""Measured ones of a kind, to estimate another of it."""
NEAR = 1.25
"""Times as much as the most, or as little as the least, that was measured is not yet outside."""
FAR = 8.0
"""Times as much is so far outside that nothing measured speaks for it."""

_REMEDY = "measure some: fbsearch table grow TABLE.json --from-space SPACE --samples 10"


@dataclass(frozen=True)
class Estimate:
    """An operator's latency, not measured.

    Args:
        latency_us: the estimate.
        relative_error: its standard deviation, as a share of it.
        outside: how many times more, or less, of something it has than any operator measured of its kind;
            1 for what lies between them.
    """

    latency_us: float
    relative_error: float
    outside: float

    @property
    def is_extrapolated(self) -> bool:
        """Whether it lies outside of what was measured."""
        return self.outside > NEAR

    @property
    def is_far(self) -> bool:
        """Whether it lies so far outside that it stands for nothing."""
        return self.outside > FAR


@dataclass(frozen=True, eq=False)
class OperatorEstimator:
    """Estimates operators by those of a table.

    Args:
        model: fitted to the table's operators.
        errors: how far it is off, by cross-validation.
        doubt: by which its own standard deviations are to be multiplied.
        count_work: tells what an operator computes and moves.
        ranges: by group, ``2 x E``: the least and the greatest extents that were measured.
        source: of the table, for messages.
    """

    model: LatencyModel
    errors: EstimateErrors
    doubt: float
    count_work: CountWork
    ranges: dict[Group, FloatArray]
    source: str
    _known: dict[Operator, Estimate] = field(default_factory=dict, repr=False)

    def estimate(self, operator: Operator) -> Estimate:
        """The latency of an operator, as its measured neighbours tell it.

        Raises:
            EstimationError: if the table holds too few operators of its kind.
        """
        if operator not in self._known:
            described = self._described(operator)
            predicted = self.model.predict([described])
            deviation = self.doubt * float(predicted.covariance[0, 0]) ** 0.5
            self._known[operator] = Estimate(
                float(np.exp(predicted.means[0])), float(np.expm1(deviation)), self._outside(described)
            )
        return self._known[operator]

    def total_error_us(self, operators: Sequence[Operator]) -> float:
        """Standard deviation of the sum of operators' estimates: what neighbours share, adds up.

        Raises:
            EstimationError: as :meth:`estimate`.
        """
        if not operators:
            return 0.0
        predicted = self.model.predict([self._described(one) for one in operators])
        latencies = np.exp(predicted.means)
        variance = float(latencies @ predicted.covariance @ latencies)
        return self.doubt * math.sqrt(max(0.0, variance))

    def _described(self, operator: Operator) -> Described:
        described = Described(operator, self.count_work(operator))
        unknown = self._unknown(described)
        if unknown:
            raise EstimationError(
                f"{self.source} has no entry for {operator.key}, and {unknown} to estimate it from; {_REMEDY}"
            )
        return described

    def _unknown(self, described: Described) -> str:
        """What has to be measured before such an operator can be estimated; empty for nothing."""
        if described.group not in self.ranges:
            return f"fewer than {MIN_OF_GROUP} of its kind ({' '.join(described.group)})"
        forms = [form for form in described.work.num_macs if form not in self.model.columns.forms]
        return "".join(f"none with {sort} {kernel}x{kernel} kernels" for sort, kernel in forms[:1])

    def _outside(self, described: Described) -> float:
        least, greatest = self.ranges[described.group]
        excess = np.maximum(described.extents - greatest, least - described.extents).max()
        return float(np.exp(max(0.0, excess)))


def fit_estimator(table: LatencyTable, count_work: CountWork) -> OperatorEstimator:
    """Fit the estimator to all operators of a table of whose kind there are enough.

    Args:
        table: with the operators as measured.
        count_work: tells what an operator computes and moves.

    Raises:
        EstimationError: if there are too few.
    """
    described = [Described(one, count_work(one)) for one in map(Operator.from_key, table.entries)]
    counts = Counter(one.group for one in described)
    fitted = [one for one in described if counts[one.group] >= MIN_OF_GROUP]
    if len(fitted) < MIN_OPERATORS:
        raise EstimationError(
            f"{table.source} holds {len(fitted)} operators of kinds that it has at least {MIN_OF_GROUP} of, "
            f"and estimating what it lacks takes at least {MIN_OPERATORS}; {_REMEDY}"
        )
    latencies_us = np.array([table.entries[one.operator.key].latency_us for one in fitted])
    model = LatencyModel.fit(fitted, latencies_us)
    checked = cross_validate(fitted, latencies_us, model.kernel)
    return OperatorEstimator(model, checked.errors, checked.doubt, count_work, _ranges(fitted), table.source)


def _ranges(described: Sequence[Described]) -> dict[Group, FloatArray]:
    extents: dict[Group, list[FloatArray]] = {}
    for one in described:
        extents.setdefault(one.group, []).append(one.extents)
    return {group: np.array([np.min(rows, axis=0), np.max(rows, axis=0)]) for group, rows in extents.items()}
