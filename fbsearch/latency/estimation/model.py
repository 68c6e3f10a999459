"""The model of an operator's latency: what its work takes, and a Gaussian process over what that misses.

    log t(o) = log(w · a(o)) + f(x(o)) + noise

a are amounts of work (a call, layers, elements moved, activations, weights, and multiply-adds by the sort
and kernel of their convolution) and w >= 0 what each takes, by least squares of the relative errors. f is a
Gaussian process over logarithms of work, shapes and choices (Rasmussen and Williams, 2006, Algorithm 2.1),
which brings in what holds near the operators that were measured, and tells how sure it is. All kinds share
both.

Chosen by cross-validation on tables of two runtimes and of an open space. Rates of a kind's own were off more
where a kind has few operators. A process, ridge regression or gradient boosting without the work was off by
twice as much and more; gradient boosting or random trees on top of it were no better than the process. A
depthwise 7x7 kernel takes several times what its multiply-adds alone suggest: hence rates by form.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from fbsearch.latency.estimation.features import Columns, Described, FloatArray

_LEAST_SHARE = 0.1
"""Of the fastest operator: no work is taken to be done in less."""


@dataclass(frozen=True)
class Predicted:
    """Logarithms of latencies in microseconds as a normal distribution.

    Args:
        means: ``N``.
        covariance: ``N x N``: how far they may be off, together.
    """

    means: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False)
class LatencyModel:
    """The fitted model.

    Args:
        columns: of the matrices.
        rates: ``P``: microseconds for each amount of work, never below 0.
        floor_us: the least that is predicted of work alone.
        process: over what the work misses, of scikit-learn.
        centre: ``D``: of the features.
        scale: ``D``: likewise.
    """

    columns: Columns
    rates: FloatArray
    floor_us: float
    process: Any
    centre: FloatArray
    scale: FloatArray

    @staticmethod
    def fit(described: Sequence[Described], latencies_us: FloatArray, *, kernel: Any = None) -> LatencyModel:
        """The model that fits measured operators.

        Args:
            described: the operators.
            latencies_us: ``N``: what each takes.
            kernel: of the process, whose parameters then stay; None fits them too.
        """
        columns = Columns.of(described)
        amounts, features = columns.amounts(described), columns.features(described)
        rates, floor_us = _rates(amounts, latencies_us), _LEAST_SHARE * float(latencies_us.min())
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        missed = np.log(latencies_us / np.maximum(amounts @ rates, floor_us))
        process = _fitted(_process(kernel), (features - centre) / scale, missed)
        return LatencyModel(columns, rates, floor_us, process, centre, scale)

    @property
    def kernel(self) -> Any:
        """Of the process, with its fitted parameters."""
        return self.process.kernel_

    def predict(self, described: Sequence[Described]) -> Predicted:
        """What operators take; forms of multiply-adds and groups that it does not know count nothing."""
        work_us = np.maximum(self.columns.amounts(described) @ self.rates, self.floor_us)
        features = (self.columns.features(described) - self.centre) / self.scale
        missed, covariance = self.process.predict(features, return_cov=True)
        return Predicted(np.log(work_us) + missed, covariance)


def _rates(amounts: FloatArray, latencies_us: FloatArray) -> FloatArray:
    """w >= 0 with the least squared relative errors."""
    sizes = np.where(amounts.any(axis=0), amounts.max(axis=0), 1.0)
    found, _ = nnls(amounts / sizes / latencies_us[:, None], np.ones(len(amounts)))
    rates: FloatArray = found / sizes
    return rates


def _process(kernel: Any) -> Any:
    """A process whose kernel is to be fitted, or stays as given."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # takes a second to import
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    if kernel is not None:
        return GaussianProcessRegressor(kernel, optimizer=None)
    fresh = ConstantKernel(0.1, (1e-4, 1e2)) * RBF(3.0, (0.3, 1e2)) + WhiteKernel(0.01, (1e-4, 1.0))
    return GaussianProcessRegressor(fresh)


def _fitted(process: Any, features: FloatArray, missed: FloatArray) -> Any:
    """The process, fitted; a parameter at the end of its range is as good as any other."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(features, missed)
