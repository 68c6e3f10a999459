"""How far a table's predictions are from whole networks: fresh random ones, predicted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from fbsearch.devices.measurement import Measurement
from fbsearch.errors import InvalidInputError
from fbsearch.latency.calibration import WITHIN
from fbsearch.latency.calibration_records import repeatability
from fbsearch.latency.design import Choices
from fbsearch.latency.fitting import FloatArray
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import LayerwiseSpace


@dataclass(frozen=True, eq=False)
class PredictionErrors:
    """Predictions against measurements; errors are shares of the measured latency.

    Args:
        predicted_us: ``N``.
        measured_us: ``N``.
    """

    predicted_us: FloatArray
    measured_us: FloatArray

    @property
    def errors(self) -> FloatArray:
        """``N``: predicted / measured - 1."""
        errors: FloatArray = self.predicted_us / self.measured_us - 1
        return errors

    def to_dict(self) -> dict[str, Any]:
        """The figures, and what they come from."""
        sizes = np.abs(self.errors)
        rank = float(spearmanr(self.predicted_us, self.measured_us).statistic)  # NaN where all are equal
        return {
            "mean_error": float(self.errors.mean()),
            "mean_abs_error": float(sizes.mean()),
            "max_abs_error": float(sizes.max()),
            "share_within_5_percent": float((sizes <= WITHIN).mean()),
            "spearman": rank if np.isfinite(rank) else None,
            "predicted_us": self.predicted_us.round(2).tolist(),
        }


@dataclass(frozen=True, eq=False)
class TableCheck:
    """A table checked against whole networks.

    Args:
        choices: of the networks.
        measured_us: their latencies.
        repeatability: mean difference between a network's odd and even rounds, as a share.
        num_converged: networks whose measurement converged.
        plain: the plain sums.
        calibrated: the calibrated values, or None where the table has none for the space.
    """

    choices: tuple[Choices, ...]
    measured_us: FloatArray
    repeatability: float
    num_converged: int
    plain: PredictionErrors
    calibrated: PredictionErrors | None

    @property
    def best(self) -> PredictionErrors:
        """What a search would use."""
        return self.calibrated or self.plain

    @property
    def verdict(self) -> str:
        """One line."""
        kind = "calibrated values" if self.calibrated else "plain sums"
        figures = self.best.to_dict()
        return (
            f"{kind} are off by {figures['mean_abs_error']:.1%} on average and by at most "
            f"{figures['max_abs_error']:.1%} on {len(self.choices)} fresh networks, "
            f"{figures['share_within_5_percent']:.0%} of them within 5 %; "
            f"the measurement repeats to {self.repeatability:.1%}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "num_networks": len(self.choices),
            "range_us": [float(self.measured_us.min()), float(self.measured_us.max())],
            "repeatability": self.repeatability,
            "num_converged": self.num_converged,
            "plain": self.plain.to_dict(),
            "calibrated": self.calibrated.to_dict() if self.calibrated else None,
            "choices": [list(choices) for choices in self.choices],
            "measured_us": self.measured_us.tolist(),
        }


def fresh_networks(space: LayerwiseSpace, table: LatencyTable, count: int, seed: int) -> tuple[Choices, ...]:
    """Random choices, none of which the table was calibrated with.

    Raises:
        InvalidInputError: if the space holds too few of them.
    """
    known = {network.choices for network in table.calibration.networks} if table.calibration else set()
    if not 2 <= count <= space.num_architectures - len(known):
        raise InvalidInputError(
            f"cannot check with {count} networks: it takes at least 2, and the space holds "
            f"{space.num_architectures} architectures, {len(known)} of which the table was calibrated with"
        )
    rng = np.random.default_rng([seed, 5])
    fresh: dict[Choices, None] = {}
    while len(fresh) < count:
        choices = space.sample(rng)
        if choices not in known:
            fresh.setdefault(choices)
    return tuple(fresh)


def check_predictions(
    space: LayerwiseSpace,
    table: LatencyTable,
    choices: Sequence[Choices],
    measurements: Sequence[Measurement],
) -> TableCheck:
    """What a table says of networks of ``space`` against what was measured of them."""
    measured = np.array([measurement.latency_us for measurement in measurements])
    sums = np.array([table.architecture_us(space.decode(one)) for one in choices])
    calibration = table.calibration
    calibrated = None
    if calibration is not None and calibration.matches(space):
        predicted = np.array([calibration.predict_us(one) for one in choices])
        calibrated = PredictionErrors(predicted, measured)
    return TableCheck(
        choices=tuple(choices),
        measured_us=measured,
        repeatability=float(np.mean([repeatability(one.rounds_us) for one in measurements])),
        num_converged=sum(one.is_converged for one in measurements),
        plain=PredictionErrors(sums, measured),
        calibrated=calibrated,
    )
