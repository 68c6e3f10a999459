"""Whole networks of a space, measured against each other, and the calibration that they make."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.latency.calibration.calibration import Calibration, calibrate, check_quality
from fbsearch.latency.calibration.terms import terms_of
from fbsearch.latency.entries.header import TableSeconds
from fbsearch.latency.measuring.batches import Bench, measure_in_batches
from fbsearch.latency.measuring.conversion import NetworkConverter
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.progress import Display
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Code, Space

_log = logging.getLogger(__name__)

Plan = Callable[[], Sequence[Code]]
"""Which networks to measure; asked only where an interrupted run has not settled it."""


@dataclass(frozen=True)
class NetworkMeasurements:
    """Whole networks as measured.

    Args:
        choices: of each.
        measurements: of each.
        before: seconds spent on operators before them.
        seconds: spent on them.
    """

    choices: tuple[Code, ...]
    measurements: tuple[Measurement, ...]
    before: TableSeconds
    seconds: TableSeconds

    def calibration(
        self, table: LatencyTable, space: Space, *, protocol: MeasurementProtocol, seed: int
    ) -> Calibration:
        """The calibration of ``table`` that they make, if it is better than none.

        Args:
            table: with the operators of ``space``.
            space: of the networks.
            protocol: they were measured by.
            seed: of their design and the order of measuring.

        Raises:
            CalibrationError: if they make none, or a poor one.
        """
        architectures = [space.decode(code) for code in self.choices]
        terms = terms_of(space, architectures)
        told = [terms.choices(architecture) for architecture in architectures]
        calibration = calibrate(
            terms,
            table.latency_us,
            [
                (choices, "design", measurement)
                for choices, measurement in zip(told, self.measurements, strict=True)
                if choices is not None  # a space's terms are those of all its networks
            ],
            protocol=protocol,
            seed=seed,
            seconds=self.seconds,
        )
        check_quality(calibration)
        return calibration


def measure_networks(
    space: Space,
    plan: Plan,
    convert: NetworkConverter,
    bench: Bench,
    *,
    journal: Journal,
    log: MeasurementLog,
    display: Display,
) -> NetworkMeasurements:
    """Measure the networks of a plan, or those of an interrupted run's.

    Args:
        space: whose networks.
        plan: which.
        convert: makes their models.
        bench: where and how.
        journal: keeps the plan and every round.
        log: that writes to the journal.
        display: makes what is told of progress.
    """
    planned = journal.networks or journal.plan_networks(plan())
    architectures = {space.decode(choices): network_name(choices) for choices in planned.choices}
    with display(len(architectures), what="networks") as shown:
        measured = measure_in_batches(architectures, convert, bench, journal=journal, log=log, shown=shown)
    _announce(list(measured.values()))
    return NetworkMeasurements(
        choices=planned.choices,
        measurements=tuple(measured[architecture] for architecture in architectures),
        before=TableSeconds(
            converting=round(planned.converting_s, 1), measuring=round(planned.measuring_s, 1)
        ),
        seconds=TableSeconds(
            converting=round(journal.converting_s - planned.converting_s, 1),
            measuring=round(log.elapsed_s - planned.measuring_s, 1),
        ),
    )


def network_name(code: Code) -> str:
    """What a whole network is called in the journal.

    >>> network_name((0, 3, 1))
    'network 0-3-1'
    """
    return "network " + "-".join(map(str, code))


def _announce(measurements: list[Measurement]) -> None:
    """Log how many of the networks did not settle: one by one they do not matter to a fit of them all."""
    rough = [one for one in measurements if not (one.is_converged and one.is_steady)]
    if rough:
        widest = max(one.relative_ci for one in rough)
        _log.warning(
            "%d of %d whole networks did not converge, or not on a quiet machine (widest interval ± %.1f%%)",
            len(rough),
            len(measurements),
            100 * widest,
        )
