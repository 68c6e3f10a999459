"""How far a table's predictions are from whole networks: fresh random ones, predicted and measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import InvalidInputError
from fbsearch.latency.calibration import WITHIN
from fbsearch.latency.calibration_records import repeatability
from fbsearch.latency.conversion import Converter, NetworkConverter
from fbsearch.latency.design import Choices
from fbsearch.latency.fitting import FloatArray
from fbsearch.latency.naming import check_journal_path
from fbsearch.latency.places import Places
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.whole_networks import NetworkMeasurements, table_bench
from fbsearch.spaces import FactoredSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

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


def fresh_networks(space: FactoredSpace, table: LatencyTable, count: int, seed: int) -> tuple[Choices, ...]:
    """Random choices, none of which the table was calibrated with.

    Raises:
        InvalidInputError: if the space holds too few of them.
    """
    known = {network.choices for network in table.calibration.networks} if table.calibration else set()
    places = Places.of(space)
    if not 2 <= count <= space.size - len(known):
        raise _too_few(count, space, len(known))
    rng = np.random.default_rng([seed, 5])
    fresh: dict[Choices, None] = {}
    draws = 0
    while len(fresh) < count:
        choices = space.sample(rng)
        if places.choices(choices) not in known and space.decode(choices).sees_image:
            fresh.setdefault(choices)
        draws += 1
        if draws > _DRAWS * count:  # the others of a small space compute nothing
            raise _too_few(count, space, len(known))
    return tuple(fresh)


def _too_few(count: int, space: FactoredSpace, num_known: int) -> InvalidInputError:
    return InvalidInputError(
        f"cannot check with {count} networks: it takes at least 2, and the space holds "
        f"{space.size} architectures, {num_known} of which the table was calibrated with"
    )


@contextmanager
def fresh_measurements(
    table: LatencyTable,
    space: FactoredSpace,
    device: Device,
    *,
    path: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    cache: ConversionCache | None = None,
    jobs: int | None = None,
    converter: Converter | None = None,
    network_converter: NetworkConverter | None = None,
    seed: int = 0,
    progress: bool | None = None,
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
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default one per core.
        converter: where the sentinel's model comes from, in place of ``cache``.
        network_converter: where the networks' models come from, in place of ``cache`` and ``jobs``.
        seed: of the choice of networks and the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.

    Raises:
        InvalidInputError: if the space holds too few networks that are fresh.
        TableError: if the table is of another space, device or runtime, or the journal cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
    """
    choices = fresh_networks(space, table, num_networks, seed)
    opened = table_bench(
        table,
        space,
        device,
        path=path,
        protocol=protocol,
        cache=cache,
        jobs=jobs,
        converter=converter,
        network_converter=network_converter,
        seed=seed,
    )
    calibrated = table.calibration.header.created if table.calibration else None
    with opened.measured(
        lambda: choices,
        journal=check_journal_path(path),
        identity={"fresh_networks": num_networks, "calibrated": calibrated},
        progress=progress,
    ) as networks:
        yield networks


def check_predictions(
    space: FactoredSpace,
    table: LatencyTable,
    choices: Sequence[Choices],
    measurements: Sequence[Measurement],
) -> TableCheck:
    """What a table says of networks of ``space`` against what was measured of them."""
    measured = np.array([measurement.latency_us for measurement in measurements])
    sums = np.array([table.architecture_us(space.decode(one)) for one in choices])
    calibration = table.calibration_for(space)
    calibrated = None
    if calibration is not None:
        predicted = np.array([table.calibrated_us(space.decode(one)) for one in choices], float)
        calibrated = PredictionErrors(predicted, measured)
    return TableCheck(
        choices=tuple(choices),
        measured_us=measured,
        repeatability=float(np.mean([repeatability(one.rounds_us) for one in measurements])),
        num_converged=sum(one.is_converged for one in measurements),
        plain=PredictionErrors(sums, measured),
        calibrated=calibrated,
    )
