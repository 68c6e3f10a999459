"""From sums of isolated operators to whole networks: measured = a + b * sum.

An operator that loops alone finds its weights and activations in the cache and pays for a call of its
own; within a network neither holds. A line through a few whole networks takes out most of both
(docs/tables.md), and keeps the latency additive, so that everything that builds on sums stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fbsearch.errors import MeasurementError


@dataclass(frozen=True)
class AffineCorrection:
    """measured = intercept + slope * sum, in microseconds.

    Args:
        intercept_us: a; may be negative, since every operator of a table includes a call's overhead.
        slope: b, above 0.
    """

    intercept_us: float = 0.0
    slope: float = 1.0

    def apply(self, sum_us: float) -> float:
        """The corrected latency of a table's sum."""
        return self.intercept_us + self.slope * sum_us

    def to_dict(self) -> dict[str, float]:
        """The JSON form."""
        return {"intercept_us": self.intercept_us, "slope": self.slope}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> AffineCorrection:
        """The correction whose :meth:`to_dict` is ``data``."""
        return AffineCorrection(float(data["intercept_us"]), float(data["slope"]))


def fit_affine(sums_us: Sequence[float], measured_us: Sequence[float]) -> AffineCorrection:
    """The line that minimises the sum of squared relative errors.

    Args:
        sums_us: table sums of whole networks, at least two different ones.
        measured_us: their measured latencies.

    Raises:
        MeasurementError: if the measured latencies do not grow with the sums.
    """
    sums, measured = np.asarray(sums_us, float), np.asarray(measured_us, float)
    if len(sums) < 2 or np.ptp(sums) == 0:
        raise MeasurementError(
            "a line needs whole networks of at least two different table sums; measure more"
        )
    design = np.stack([np.ones_like(sums), sums], axis=1) / measured[:, None]
    (intercept, slope), *_ = np.linalg.lstsq(design, np.ones_like(sums), rcond=None)
    if not (math.isfinite(intercept) and slope > 0):
        raise MeasurementError(
            f"whole networks do not take longer where the table's sums are larger (slope {slope:.3g}): "
            "the device is too busy to measure on; quieten it and profile again"
        )
    return AffineCorrection(float(intercept), float(slope))
