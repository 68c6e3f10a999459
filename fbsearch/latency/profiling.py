"""Profiling: a space, a device and a runtime become a latency table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbsearch.architecture import Operator
from fbsearch.devices.description import DeviceDescription, RuntimeName
from fbsearch.devices.log import Event, MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import CalibrationError
from fbsearch.latency.batches import SENTINEL, Bench, measure_in_batches
from fbsearch.latency.calibrating import check_count, designed
from fbsearch.latency.calibration import Calibration
from fbsearch.latency.conversion import Converter, NetworkConverter, converting, converting_networks
from fbsearch.latency.entry import TableEntry
from fbsearch.latency.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.latency.journal import Journal
from fbsearch.latency.naming import journal_path, launches_path
from fbsearch.latency.progress import Display, ProfileProgress
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.whole_networks import NetworkMeasurements, measure_networks
from fbsearch.precision import Precision
from fbsearch.spaces import FactoredSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

_ANNOUNCED = 5

_log = logging.getLogger(__name__)


def profile(
    space: FactoredSpace,
    device: Device,
    *,
    out: Path,
    runtime: RuntimeName = "tflite",
    threads: int = 1,
    precision: Precision = "fp32",
    protocol: MeasurementProtocol | None = None,
    cache: ConversionCache | None = None,
    jobs: int | None = None,
    converter: Converter | None = None,
    seed: int = 0,
    progress: bool | None = None,
    display: Display | None = None,
    stop: threading.Event | None = None,
    num_networks: int = 0,
    network_converter: NetworkConverter | None = None,
) -> LatencyTable:
    """Measure every operator of ``space`` on ``device`` and write the table to ``out``.

    On this computer everything is converted first, so that nothing else runs while it measures; another
    device measures what is converted while the rest is. Each round goes to the journal ``OUT.partial`` as
    it ends; after an interruption, the same call goes on from there. A device that launches a tool
    records every launch in ``OUT.launches.jsonl``.

    Whole networks, if any are asked for, are measured after the operators in the same way, and the table is
    calibrated with them.

    Args:
        space: whose operators to measure; stem and head included.
        device: where.
        out: the table's file; replaced at the end, in one step.
        runtime: with what.
        threads: threads within one operator.
        precision: of weights and activations.
        protocol: how; by default the device's own.
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default as many as pay.
        converter: where model files come from, in place of ``cache`` and ``jobs``.
        seed: shuffles the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.
        display: makes what is told of progress, in place of the bars.
        stop: once set, measuring ends with the present round, as by Ctrl-C: for a thread that has none.
        num_networks: whole networks to calibrate with; 0 for none.
        network_converter: where their model files come from, in place of ``cache`` and ``jobs``.

    Returns:
        The table; operators that never converged are named in its ``warnings``, and logged.

    Raises:
        TableError: if the journal or the table cannot be written, or the journal is of another profile.
        ExportError: if an operator cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        KeyboardInterrupt: once ``stop`` is set; what is measured is kept.
        CalibrationError: if the networks make no calibration, or a poor one; the table is written without
            one.
    """
    if num_networks:
        check_count(num_networks)
    runner, description = device.runner(runtime, threads=threads, precision=precision), device.describe()
    bench = Bench(
        runner=runner,
        protocol=protocol if protocol is not None else device.definition.protocol,
        seed=seed,
        launches=launches_path(out),
        sentinel=converter or converting(runtime, precision=precision, cache=cache, jobs=jobs),
        memory_bytes=description.memory_bytes,
    )
    job = _Job(space, description, bench, num_networks)
    with Journal(journal_path(out), job.identity()) as journal:

        def keep(event: Event) -> None:
            journal.append(event)
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt

        log = MeasurementLog(journal.events, on_append=keep)
        shows = display or partial(ProfileProgress, show=progress)
        with shows(len(job.operators)) as shown:
            operators = {operator: operator.key for operator in job.operators}
            measured = measure_in_batches(
                operators, bench.sentinel, bench, journal=journal, log=log, shown=shown
            )
        networks = None
        if num_networks:
            networks = measure_networks(
                space,
                lambda: designed(
                    space,
                    lambda operator: 0.0 if operator.is_free else measured[operator].latency_us,
                    num_networks,
                    seed,
                ),
                network_converter
                or converting_networks(runtime, precision=precision, cache=cache, jobs=jobs),
                bench,
                journal=journal,
                log=log,
                display=shows,
            )
        table = _finish(job, measured, networks, journal, log, out)
    _announce(table)
    return table


@dataclass(frozen=True)
class _Job:
    """What is to be profiled, and how."""

    space: FactoredSpace
    device: DeviceDescription
    bench: Bench
    num_networks: int

    @property
    def operators(self) -> tuple[Operator, ...]:
        """What needs an entry."""
        return tuple(op for op in self.space.operators() if not op.is_free)

    def identity(self) -> dict[str, Any]:
        """What two runs must share for their rounds to belong to one table."""
        shared = {
            "space": {"name": self.space.name, "fingerprint": self.space.fingerprint},
            "device": self.device.identity,
            "runtime": self.bench.runner.description.model_dump(mode="json"),
            "protocol": self.bench.protocol.model_dump(mode="json"),
            "seed": self.bench.seed,
            "sentinel": SENTINEL.key,
        }
        return shared | {"networks": self.num_networks} if self.num_networks else shared


def _finish(
    job: _Job,
    measured: Mapping[Operator, Measurement],
    networks: NetworkMeasurements | None,
    journal: Journal,
    log: MeasurementLog,
    out: Path,
) -> LatencyTable:
    """Write the table and remove the journal; a table whose networks make no calibration goes without one."""
    seconds = TableSeconds(converting=round(journal.converting_s, 1), measuring=round(log.elapsed_s, 1))
    table = _table(job, measured, log, networks.before if networks else seconds, source=str(out))
    failure = None
    if networks is not None:
        try:
            table = table.with_calibration(_calibration(networks, table, job))
        except CalibrationError as error:
            failure = error
    table.save(out)
    journal.delete()
    if failure is not None:
        raise CalibrationError(
            f"{out} is written without a calibration: {failure}; "
            f"'fbsearch calibrate {out}' measures networks alone"
        ) from None
    return table


def _calibration(networks: NetworkMeasurements, table: LatencyTable, job: _Job) -> Calibration:
    return networks.calibration(table, job.space, protocol=job.bench.protocol, seed=job.bench.seed)


def _table(
    job: _Job,
    measured: Mapping[Operator, Measurement],
    log: MeasurementLog,
    seconds: TableSeconds,
    *,
    source: str,
) -> LatencyTable:
    num_windows, num_discarded = log.windows(job.bench.protocol)
    sentinel = SentinelRecord(
        operator=SENTINEL.key,
        baseline_us=round(log.baseline_us(job.bench.protocol.pace), 3),
        readings_us=tuple(reading.latency_us for reading in log.readings),
        num_windows=num_windows,
        num_discarded_windows=num_discarded,
    )
    warnings = _pace_warnings(sentinel, job, measured.values())
    for operator, measurement in measured.items():
        warnings += measurement_warnings(operator.key, measurement)
    header = TableHeader(
        device=job.device,
        runtime=job.bench.runner.description,
        space=SpaceReference(name=job.space.name, fingerprint=job.space.fingerprint),
        protocol=job.bench.protocol,
        seed=job.bench.seed,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=seconds,
        sentinel=sentinel,
        warnings=tuple(warnings),
    )
    entries = {operator.key: TableEntry.of(measurement) for operator, measurement in measured.items()}
    return LatencyTable(header, entries, source)


def _announce(table: LatencyTable) -> None:
    """Log what went wrong, in a few lines: the table holds them all."""
    for warning in table.warnings[:_ANNOUNCED]:
        _log.warning("%s", warning)
    if len(table.warnings) > _ANNOUNCED:
        num_converged = sum(entry.is_converged for entry in table.entries.values())
        _log.warning(
            "… and %d more warnings, in %s: %d of %d operators converged, %d of %d windows were slow",
            len(table.warnings) - _ANNOUNCED,
            table.source,
            num_converged,
            len(table.entries),
            table.sentinel.num_discarded_windows,
            table.sentinel.num_windows,
        )


def _pace_warnings(sentinel: SentinelRecord, job: _Job, measured: Iterable[Measurement]) -> list[str]:
    """What to do about a computer that is at the pace measured at too rarely for all models."""
    is_rare = 2 * sentinel.num_discarded_windows > sentinel.num_windows
    is_at_ease = all(measurement.is_steady for measurement in measured)
    if job.bench.runner.is_elsewhere or job.bench.protocol.pace == "usual" or is_at_ease or not is_rare:
        return []
    return [
        f"{sentinel.num_discarded_windows} of {sentinel.num_windows} windows were slow: this computer is "
        "busy most of the time; end what else runs on it, or, where others share it, measure at the pace "
        "that it usually keeps: 'pace: usual' in the protocol (docs/measuring.md)"
    ]


def measurement_warnings(name: str, measurement: Measurement) -> list[str]:
    """What a reader of this measurement must know, one sentence each."""
    warnings = []
    if not measurement.is_steady:
        warnings.append(
            f"{name}: the machine was busy or throttled throughout: {measurement.num_discarded} rounds "
            f"discarded, and the steadiest {len(measurement.rounds_us)} used all the same; "
            "measure again on a quiet machine"
        )
    if not measurement.is_converged:
        warnings.append(
            f"{name}: not converged: {measurement.latency_us:.1f} us ± {measurement.relative_ci:.1%} "
            f"after {len(measurement.rounds_us)} rounds (asked for ± {measurement.target_relative_ci:.1%})"
        )
    return warnings
