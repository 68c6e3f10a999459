"""Whole networks of a table's space, measured on its device: what calibrating and checking have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import CalibrationError
from fbsearch.latency.batches import Bench, measure_in_batches
from fbsearch.latency.calibration import Calibration, calibrate, check_quality
from fbsearch.latency.conversion import NetworkConverter
from fbsearch.latency.design import Choices
from fbsearch.latency.header import TableSeconds
from fbsearch.latency.journal import Journal
from fbsearch.latency.opening import bench_of, table_identity
from fbsearch.latency.progress import Display
from fbsearch.latency.settings import ModelSource, RuntimeChoice, Watch
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.terms import terms_of
from fbsearch.spaces import Space

_log = logging.getLogger(__name__)

Plan = Callable[[], Sequence[Choices]]
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

    choices: tuple[Choices, ...]
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


@dataclass(frozen=True)
class TableBench:
    """A table's own device, runtime and threads, ready to measure whole networks of a space.

    Args:
        table: that holds the operators of ``space``.
        space: of the networks.
        bench: where and how.
        convert: makes the networks' models.
    """

    table: LatencyTable
    space: Space
    bench: Bench
    convert: NetworkConverter

    @contextmanager
    def measured(
        self,
        plan: Plan,
        *,
        journal: Path,
        identity: dict[str, Any],
        watch: Watch,
    ) -> Iterator[NetworkMeasurements]:
        """The networks as measured, against each other, watched by the sentinel whose pace the table tells.

        Each round goes to the journal as it ends; after an interruption the same call goes on from there. The
        journal is removed when the block ends without error, or with a :class:`CalibrationError`, since the
        same rounds would only fail again.

        Args:
            plan: which networks.
            journal: the file.
            identity: what makes two runs one, besides the table, the space and the bench.
            watch: who watches.
        """
        with Journal(journal, self._identity() | identity, remedy="copy the table elsewhere") as file:
            reference_us = self.table.sentinel.baseline_us
            log = MeasurementLog(file.events, on_append=watch.keeping(file.append), reference_us=reference_us)
            networks = measure_networks(
                self.space,
                plan,
                self.convert,
                self.bench,
                journal=file,
                log=log,
                display=watch.shows,
            )
            try:
                yield networks
            except CalibrationError:
                file.delete()
                raise
            file.delete()

    def _identity(self) -> dict[str, Any]:
        """What two runs must share for their rounds to belong together."""
        space = {"name": self.space.name, "fingerprint": self.space.fingerprint}
        return table_identity(self.table, self.bench) | {"space": space}


def table_bench(
    table: LatencyTable,
    space: Space,
    device: Device,
    *,
    path: Path,
    protocol: MeasurementProtocol | None,
    models: ModelSource,
    seed: int,
) -> TableBench:
    """Make sure that table, space and device belong together, and get ready to measure.

    Args:
        table: that holds the operators of ``space``.
        space: of the networks.
        device: the table's.
        path: the table's file, beside which launches are recorded.
        protocol: how to measure; None as the table's operators were.
        models: where model files come from.
        seed: of the choice of networks and the order of measuring.

    Raises:
        TableError: if the table is of another space, device or runtime.
        DeviceError: if the device or its runtime cannot be used.
    """
    table.check_space(space)
    bench = bench_of(table, device, path=path, models=models, protocol=protocol, seed=seed)
    return TableBench(table, space, bench, models.of_networks(RuntimeChoice.of(table.runtime)))


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


def network_name(choices: Choices) -> str:
    """What a whole network is called in the journal.

    >>> network_name((0, 3, 1))
    'network 0-3-1'
    """
    return "network " + "-".join(map(str, choices))


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
