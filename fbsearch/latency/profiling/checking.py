"""How far a table's predictions are from whole networks: fresh random ones, predicted and measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import InvalidInputError
from fbsearch.latency.calibration.fitting import FloatArray
from fbsearch.latency.calibration.records import repeatability
from fbsearch.latency.calibration.term_fit import WITHIN
from fbsearch.latency.measuring.naming import check_journal_path
from fbsearch.latency.measuring.settings import CONVERTED, ON_SCREEN, ModelSource, Watch
from fbsearch.latency.measuring.whole_networks import NetworkMeasurements
from fbsearch.latency.profiling.opening import table_bench
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Code, Space

_DRAWS = 1000


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

    choices: tuple[Code, ...]
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


def fresh_networks(space: Space, table: LatencyTable, count: int, seed: int) -> tuple[Code, ...]:
    """Random codes of networks, none of which the table was calibrated with.

    Raises:
        InvalidInputError: if the space holds too few of them.
    """
    calibration = table.calibration
    known = {network.choices for network in calibration.networks} if calibration else set()
    if count < 2 or (space.size is not None and count > space.size - len(known)):
        raise _too_few(count, space, len(known))
    rng = np.random.default_rng([seed, 5])
    fresh: dict[Code, None] = {}
    for _ in range(_DRAWS * count):  # the others of a small space compute nothing, or were measured before
        if len(fresh) == count:
            return tuple(fresh)
        code = space.sample(rng)
        architecture = space.decode(code)
        is_new = calibration is None or calibration.choices_of(architecture) not in known
        if is_new and architecture.sees_image:
            fresh.setdefault(code)
    raise _too_few(count, space, len(known))


def _too_few(count: int, space: Space, num_known: int) -> InvalidInputError:
    held = "more architectures than" if space.size is None else f"{space.size} architectures,"
    return InvalidInputError(
        f"cannot check with {count} networks: it takes at least 2, and the space holds {held} "
        f"{num_known} of which the table was calibrated with"
    )


@contextmanager
def fresh_measurements(
    table: LatencyTable,
    space: Space,
    device: Device,
    *,
    path: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    models: ModelSource = CONVERTED,
    seed: int = 0,
    watch: Watch = ON_SCREEN,
) -> Iterator[NetworkMeasurements]:
    """Measure fresh networks of ``space`` to check the table with.

    They are measured as those of a calibration are. Each round goes to the journal ``PATH.check.partial`` as
    it ends; after an interruption, the same call goes on from there. The journal is removed when the block
    ends without error: a kill while the measurements are put to use does not lose them either.

    Args:
        table: that holds the operators of ``space``.
        space: whose networks to measure.
        device: the table's.
        path: the table's file, beside which the journal lies.
        num_networks: how many.
        protocol: how; by default as the table's operators.
        models: where model files come from.
        seed: of the choice of networks and the order of measuring.
        watch: who watches.

    Raises:
        InvalidInputError: if the space holds too few networks that are fresh.
        TableError: if the table is of another space, device or runtime, or the journal cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
    """
    choices = fresh_networks(space, table, num_networks, seed)
    opened = table_bench(table, space, device, path=path, protocol=protocol, models=models, seed=seed)
    calibrated = table.calibration.header.created if table.calibration else None
    with opened.measured(
        lambda: choices,
        journal=check_journal_path(path),
        identity={"fresh_networks": num_networks, "calibrated": calibrated},
        watch=watch,
    ) as networks:
        yield networks


def check_predictions(
    space: Space,
    table: LatencyTable,
    choices: Sequence[Code],
    measurements: Sequence[Measurement],
) -> TableCheck:
    """What a table says of networks of ``space`` against what was measured of them."""
    measured = np.array([measurement.latency_us for measurement in measurements])
    architectures = [space.decode(code) for code in choices]
    calibrated = None
    if table.calibration_for(space) is not None:
        predicted = [table.calibrated_us(architecture) for architecture in architectures]
        calibrated = PredictionErrors(np.array(predicted, float), measured)
    return TableCheck(
        choices=tuple(choices),
        measured_us=measured,
        repeatability=float(np.mean([repeatability(one.rounds_us) for one in measurements])),
        num_converged=sum(one.is_converged for one in measurements),
        plain=PredictionErrors(np.array([table.architecture_us(one) for one in architectures]), measured),
        calibrated=calibrated,
    )
