"""The end of a profile: measurements become a table, with what its reader must know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fbsearch.architecture import Operator
from fbsearch.devices.description import DeviceDescription
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.errors import CalibrationError
from fbsearch.latency.calibration.calibration import Calibration
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.entries.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.latency.measuring.batches import Bench
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.latency.measuring.whole_networks import NetworkMeasurements
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Space

_ANNOUNCED = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProfileJob:
    """What is to be profiled, and how.

    Args:
        space: whose operators.
        operators: which need an entry.
        device: where.
        bench: how.
        num_networks: whole networks besides.
    """

    space: Space
    operators: tuple[Operator, ...]
    device: DeviceDescription
    bench: Bench
    num_networks: int

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


def finish(
    job: ProfileJob,
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


def _calibration(networks: NetworkMeasurements, table: LatencyTable, job: ProfileJob) -> Calibration:
    return networks.calibration(table, job.space, protocol=job.bench.protocol, seed=job.bench.seed)


def _table(
    job: ProfileJob,
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


def announce(table: LatencyTable, warnings: Sequence[str]) -> None:
    """Log what went wrong, in a few lines: the table holds them all."""
    for warning in warnings[:_ANNOUNCED]:
        _log.warning("%s", warning)
    if len(warnings) > _ANNOUNCED:
        num_converged = sum(entry.is_converged for entry in table.entries.values())
        _log.warning(
            "… and %d more warnings, in %s: %d of %d operators converged, %d of %d windows were slow",
            len(warnings) - _ANNOUNCED,
            table.source,
            num_converged,
            len(table.entries),
            table.sentinel.num_discarded_windows,
            table.sentinel.num_windows,
        )


def _pace_warnings(sentinel: SentinelRecord, job: ProfileJob, measured: Iterable[Measurement]) -> list[str]:
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
