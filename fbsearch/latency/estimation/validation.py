"""How far estimates are off: each operator predicted from others, that it was not among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fbsearch.latency.estimation.features import Described, FloatArray
from fbsearch.latency.estimation.model import LatencyModel

NUM_FOLDS = 10
_MOST_SURPRISING = 5.0
"""Standard deviations: beyond, one operator would decide how sure the model may be of all others."""


@dataclass(frozen=True)
class EstimateErrors:
    """Errors as shares of the measured latency, each operator predicted from the others.

    Args:
        num_operators: that the model was fitted to.
        median: of the absolute errors.
        mean: likewise.
        nine_in_ten: what nine of ten absolute errors do not exceed.
    """

    num_operators: int
    median: float
    mean: float
    nine_in_ten: float

    @property
    def summary(self) -> str:
        """For people."""
        return (
            f"each of {self.num_operators} operators, estimated from the others, is off by {self.median:.1%} "
            f"at the median, {self.mean:.1%} on average, nine of ten by at most {self.nine_in_ten:.1%}"
        )


@dataclass(frozen=True)
class CrossValidation:
    """What predicting the known tells.

    Args:
        errors: how far predictions are off.
        doubt: by which the model's own standard deviations are to be multiplied, at least 1.
    """

    errors: EstimateErrors
    doubt: float


def cross_validate(described: Sequence[Described], latencies_us: FloatArray, kernel: Any) -> CrossValidation:
    """Predict every tenth of the operators from the rest, each group spread evenly over the tenths.

    Args:
        described: the operators.
        latencies_us: what each takes.
        kernel: of the model, whose parameters stay.
    """
    folds = _folds(described)
    misses, deviations = np.zeros(len(described)), np.zeros(len(described))
    for number in np.unique(folds):
        known: list[int] = np.flatnonzero(folds != number).tolist()
        left_out: list[int] = np.flatnonzero(folds == number).tolist()
        model = LatencyModel.fit([described[i] for i in known], latencies_us[known], kernel=kernel)
        predicted = model.predict([described[i] for i in left_out])
        misses[left_out] = predicted.means - np.log(latencies_us[left_out])
        deviations[left_out] = np.sqrt(np.diag(predicted.covariance))
    return CrossValidation(_errors(misses), _doubt(misses, deviations))


def _folds(described: Sequence[Described]) -> NDArray[np.int64]:
    """``N``: a fold for each; those of a group take turns, in an order drawn once and for all."""
    shuffled = np.random.default_rng(0).permutation(len(described))
    by_group = sorted(shuffled.tolist(), key=lambda index: described[index].group)
    folds = np.empty(len(described), np.int64)
    folds[by_group] = np.arange(len(described)) % NUM_FOLDS
    return folds


def _errors(misses: FloatArray) -> EstimateErrors:
    errors = np.abs(np.expm1(misses))
    return EstimateErrors(
        len(errors), float(np.median(errors)), float(errors.mean()), float(np.quantile(errors, 0.9))
    )


def _doubt(misses: FloatArray, deviations: FloatArray) -> float:
    surprises = np.minimum(np.abs(misses) / deviations, _MOST_SURPRISING)
    return max(1.0, float(np.sqrt(np.mean(surprises**2))))
