"""Measuring the whole networks that calibrate a table, with the operators or for a table that exists."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import InvalidInputError, MeasurementError
from fbsearch.latency.batches import SENTINEL, Bench, measure_in_batches
from fbsearch.latency.calibration import Calibration, calibrate, isolated_latencies
from fbsearch.latency.conversion import Converter, NetworkConverter, converting, converting_networks
from fbsearch.latency.design import MIN_NETWORKS, Choices, design_networks
from fbsearch.latency.header import TableSeconds
from fbsearch.latency.journal import Journal
from fbsearch.latency.naming import calibration_journal_path, launches_path
from fbsearch.latency.progress import Display, ProfileProgress
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import LayerwiseSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_log = logging.getLogger(__name__)


def calibrate_table(
    table: LatencyTable,
    space: LayerwiseSpace,
    device: Device,
    *,
    out: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    cache: ConversionCache | None = None,
    jobs: int | None = None,
    converter: Converter | None = None,
    network_converter: NetworkConverter | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> LatencyTable:
    """Measure whole networks of ``space`` and write the table, calibrated with them, to ``out``.

    They are measured on the table's device, runtime and threads, as operators are: against each other,
    watched by the sentinel, whose pace the table tells. Each round goes to the journal
    ``OUT.calibration.partial`` as it ends; after an interruption, the same call goes on from there. A
    calibration that was there is replaced.

    Args:
        table: that holds the operators of ``space``.
        space: whose networks to measure.
        device: the table's.
        out: the calibrated table's file; replaced at the end, in one step.
        num_networks: how many; fewer are measured where the space holds fewer.
        protocol: how; by default as the table's operators.
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default one per core.
        converter: where the sentinel's model comes from, in place of ``cache``.
        network_converter: where the networks' models come from, in place of ``cache`` and ``jobs``.
        seed: of the design and the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.

    Raises:
        InvalidInputError: if fewer networks are asked for than make a calibration.
        TableError: if the table is of another space, device or runtime, or cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        MeasurementError: if the networks make no calibration.
    """
    check_count(num_networks)
    table.check_space(space)
    runtime = table.runtime
    runner = device.runner(runtime.name, threads=runtime.threads, precision=runtime.precision)
    for difference in table.check_device(device.describe(), runner.description):
        _log.warning("%s", difference)
    bench = Bench(
        runner=runner,
        protocol=protocol if protocol is not None else table.protocol,
        seed=seed,
        launches=launches_path(out),
        sentinel=converter or converting(runtime.name, precision=runtime.precision, cache=cache, jobs=1),
    )
    convert = network_converter or converting_networks(
        runtime.name, precision=runtime.precision, cache=cache, jobs=jobs
    )
    identity = _identity(table, space, bench, num_networks)
    with Journal(calibration_journal_path(out), identity) as journal:
        log = MeasurementLog(
            journal.events, on_append=journal.append, reference_us=table.sentinel.baseline_us
        )
        networks = measure_networks(
            space,
            table.latency_us,
            num_networks,
            convert,
            bench,
            journal=journal,
            log=log,
            display=partial(ProfileProgress, show=progress),
        )
        try:
            calibrated = table.with_calibration(networks.calibration(table, space, bench))
        except MeasurementError:
            journal.delete()  # the same rounds would only fail again
            raise
        calibrated.save(out)
        journal.delete()
    return calibrated


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

    def calibration(self, table: LatencyTable, space: LayerwiseSpace, bench: Bench) -> Calibration:
        """The calibration of ``table`` that they make.

        Raises:
            MeasurementError: if they make none.
        """
        measured = zip(self.choices, self.measurements, strict=True)
        return calibrate(
            space,
            table.latency_us,
            [(choices, "design", measurement) for choices, measurement in measured],
            protocol=bench.protocol,
            seed=bench.seed,
            seconds=self.seconds,
        )


def measure_networks(
    space: LayerwiseSpace,
    latency_us: Callable[[Operator], float],
    count: int,
    convert: NetworkConverter,
    bench: Bench,
    *,
    journal: Journal,
    log: MeasurementLog,
    display: Display,
) -> NetworkMeasurements:
    """Measure networks chosen by design, or those that an interrupted run had chosen.

    Args:
        space: whose networks.
        latency_us: an operator's latency alone.
        count: how many.
        convert: makes their models.
        bench: where and how.
        journal: keeps the design and every round.
        log: that writes to the journal.
        display: makes what is told of progress.
    """
    planned = journal.networks
    if planned is None:
        rng = np.random.default_rng([bench.seed, 3])
        isolated = isolated_latencies(space, latency_us)
        planned = journal.plan_networks(design_networks(isolated.candidates_us, count, rng))
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


def check_count(num_networks: int) -> None:
    """Refuse a number of networks that makes no calibration.

    Raises:
        InvalidInputError: naming the least.
    """
    if num_networks < MIN_NETWORKS:
        raise InvalidInputError(
            f"{num_networks} whole networks make no calibration: it takes at least {MIN_NETWORKS}, and about "
            "four times as many as a layer has candidates for a good one"
        )


def _identity(table: LatencyTable, space: LayerwiseSpace, bench: Bench, num_networks: int) -> dict[str, Any]:
    """What two runs must share for their rounds to belong to one calibration."""
    return {
        "table": {"space": table.space_fingerprint, "created": table.header.created},
        "space": {"name": space.name, "fingerprint": space.fingerprint},
        "networks": num_networks,
        "device": table.device.identity,
        "runtime": bench.runner.description.model_dump(mode="json"),
        "protocol": bench.protocol.model_dump(mode="json"),
        "seed": bench.seed,
        "sentinel": SENTINEL.key,
    }


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
