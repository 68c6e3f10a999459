"""Profiling: a space, a device and a runtime become a latency table."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.description import DeviceDescription, Precision, RuntimeDescription, RuntimeName
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device, Runner
from fbsearch.latency.conversion import Converter, converting
from fbsearch.latency.entry import TableEntry
from fbsearch.latency.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.latency.journal import Journal
from fbsearch.latency.progress import ProfileProgress
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import LayerwiseSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

SENTINEL = Operator.from_key("mbconv_k3_e6_s1_relu_c32-32_r28")
"""The model that watches the machine: typical work, about 0.1 to 0.2 ms on a server core."""

_ANNOUNCED = 5

_log = logging.getLogger(__name__)


def profile(
    space: LayerwiseSpace,
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
) -> LatencyTable:
    """Measure every operator of ``space`` on ``device`` and write the table to ``out``.

    Everything is converted first, so that nothing else runs while the device measures. Each round
    goes to the journal ``OUT.partial`` as it ends; after an interruption, the same call goes on from
    there.

    Args:
        space: whose operators to measure; stem and head included.
        device: where.
        out: the table's file; replaced at the end, in one step.
        runtime: with what.
        threads: threads within one operator.
        precision: of weights and activations.
        protocol: how; by default :class:`MeasurementProtocol`'s values.
        cache: of converted models; by default the user's.
        jobs: processes that convert in parallel; by default as many as pay.
        converter: where model files come from, in place of ``cache`` and ``jobs``.
        seed: shuffles the order of measuring.
        progress: bars on screen; by default where standard error is a terminal.

    Returns:
        The table; operators that never converged are named in its ``warnings``, and logged.

    Raises:
        TableError: if the journal or the table cannot be written, or the journal is of another profile.
        ExportError: if an operator cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
    """
    job = _Job(
        space=space,
        device=device.describe(),
        runner=device.runner(runtime, threads=threads, precision=precision),
        protocol=protocol if protocol is not None else MeasurementProtocol(),
        converter=converter if converter is not None else converting(runtime, cache=cache, jobs=jobs),
        seed=seed,
    )
    with Journal(journal_path(out), job.identity()) as journal:
        log = MeasurementLog(journal.events, on_append=journal.append)
        with ProfileProgress(len(job.operators), show=progress) as shown:
            models = _convert(job, journal, shown)
            measured = _measure(job, models, log, shown)
        table = _table(job, measured, log, journal.converting_s, source=str(out))
        table.save(out)
        journal.delete()
    _announce(table)
    return table


def journal_path(out: Path) -> Path:
    """The journal beside a table."""
    return out.with_name(out.name + ".partial")


@dataclass(frozen=True)
class _Job:
    """What is to be profiled, and how."""

    space: LayerwiseSpace
    device: DeviceDescription
    runner: Runner
    protocol: MeasurementProtocol
    converter: Converter
    seed: int

    @property
    def operators(self) -> tuple[Operator, ...]:
        """What needs an entry."""
        return tuple(op for op in self.space.operators() if not op.is_identity)

    @property
    def runtime(self) -> RuntimeDescription:
        """With what is measured."""
        return self.runner.description

    def identity(self) -> dict[str, Any]:
        """What two runs must share for their rounds to belong to one table."""
        return {
            "space": {"name": self.space.name, "fingerprint": self.space.fingerprint},
            "device": self.device.identity,
            "runtime": self.runtime.model_dump(mode="json"),
            "protocol": self.protocol.model_dump(mode="json"),
            "seed": self.seed,
            "sentinel": SENTINEL.key,
        }


def _convert(job: _Job, journal: Journal, shown: ProfileProgress) -> dict[Operator, Path]:
    start = time.monotonic()
    models = dict(job.converter([*job.operators, SENTINEL], lambda operator: shown.converted()))
    journal.add_converting(time.monotonic() - start)
    return models


def _measure(
    job: _Job, models: dict[Operator, Path], log: MeasurementLog, shown: ProfileProgress
) -> dict[str, Measurement]:
    shown.start_measuring()
    with ExitStack() as stack:
        sessions = {}
        for operator in job.operators:
            sessions[operator.key] = job.runner.open(models[operator])
            stack.callback(sessions[operator.key].close)
        sentinel = job.runner.open(models[SENTINEL])
        stack.callback(sentinel.close)
        return measure(
            sessions,
            job.protocol,
            sentinel=sentinel,
            rng=np.random.default_rng([job.seed, len(log.readings)]),
            log=log,
            on_progress=shown.measured,
        )


def _table(
    job: _Job, measured: dict[str, Measurement], log: MeasurementLog, converting_s: float, *, source: str
) -> LatencyTable:
    num_windows, num_discarded = log.windows(job.protocol)
    header = TableHeader(
        device=job.device,
        runtime=job.runtime,
        space=SpaceReference(name=job.space.name, fingerprint=job.space.fingerprint),
        protocol=job.protocol,
        seed=job.seed,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=TableSeconds(converting=round(converting_s, 1), measuring=round(log.elapsed_s, 1)),
        sentinel=SentinelRecord(
            operator=SENTINEL.key,
            baseline_us=round(log.baseline_us, 3),
            readings_us=tuple(reading.latency_us for reading in log.readings),
            num_windows=num_windows,
            num_discarded_windows=num_discarded,
        ),
        warnings=tuple(warning for key, m in measured.items() for warning in measurement_warnings(key, m)),
    )
    return LatencyTable(header, {key: TableEntry.of(m) for key, m in measured.items()}, source)


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
