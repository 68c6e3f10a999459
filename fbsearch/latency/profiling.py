"""Profiling: a space, a device and a runtime become a latency table."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.description import DeviceDescription, Precision, RuntimeDescription, RuntimeName
from fbsearch.devices.log import Event, MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device, Runner, Session
from fbsearch.latency.conversion import Converter, converting, in_background
from fbsearch.latency.entry import TableEntry
from fbsearch.latency.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.latency.journal import Journal
from fbsearch.latency.progress import ProfileDisplay, ProfileProgress
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import LayerwiseSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

SENTINEL = Operator.from_key("mbconv_k3_e6_s1_relu_c32-32_r28")
"""The model that watches the machine: typical work, about 0.1 to 0.2 ms on a server core."""

_ANNOUNCED = 5
_BATCH = 12
"""Models that are at least measured together, where converting goes on meanwhile."""

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
    display: ProfileDisplay | None = None,
    stop: threading.Event | None = None,
) -> LatencyTable:
    """Measure every operator of ``space`` on ``device`` and write the table to ``out``.

    On this computer everything is converted first, so that nothing else runs while it measures; another
    device measures what is converted while the rest is. Each round goes to the journal ``OUT.partial`` as
    it ends; after an interruption, the same call goes on from there. A device that launches a tool
    records every launch in ``OUT.launches.jsonl``.

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
        display: told of progress in place of the bars.
        stop: once set, measuring ends with the present round, as by Ctrl-C: for a thread that has none.

    Returns:
        The table; operators that never converged are named in its ``warnings``, and logged.

    Raises:
        TableError: if the journal or the table cannot be written, or the journal is of another profile.
        ExportError: if an operator cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        KeyboardInterrupt: once ``stop`` is set; what is measured is kept.
    """
    job = _Job(
        space=space,
        device=device.describe(),
        runner=device.runner(runtime, threads=threads, precision=precision),
        protocol=protocol if protocol is not None else device.definition.protocol,
        converter=converter if converter is not None else converting(runtime, cache=cache, jobs=jobs),
        seed=seed,
        launches=launches_path(out),
    )
    with Journal(journal_path(out), job.identity()) as journal:

        def keep(event: Event) -> None:
            journal.append(event)
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt

        log = MeasurementLog(journal.events, on_append=keep)
        with display or ProfileProgress(len(job.operators), show=progress) as shown:
            measured = _measure(job, journal, log, shown)
        table = _table(job, measured, log, journal.converting_s, source=str(out))
        table.save(out)
        journal.delete()
    _announce(table)
    return table


def journal_path(out: Path) -> Path:
    """The journal beside a table."""
    return out.with_name(out.name + ".partial")


def launches_path(out: Path) -> Path:
    """The record of launches beside a table."""
    return out.with_name(out.stem + ".launches.jsonl")


@dataclass(frozen=True)
class _Job:
    """What is to be profiled, and how."""

    space: LayerwiseSpace
    device: DeviceDescription
    runner: Runner
    protocol: MeasurementProtocol
    converter: Converter
    seed: int
    launches: Path

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


def _measure(
    job: _Job, journal: Journal, log: MeasurementLog, shown: ProfileDisplay
) -> dict[str, Measurement]:
    """Measure the models batch by batch, as they are converted."""
    with ExitStack() as stack:
        batches = stack.enter_context(_converted(job, journal, shown))
        stack.enter_context(job.runner.measuring(job.launches))
        sessions: dict[str, Session] = {}
        sentinel: Session | None = None
        for batch in batches:
            job.runner.prepare(list(batch.values()))
            opened = {operator.key: job.runner.open(model) for operator, model in batch.items()}
            for session in opened.values():
                stack.callback(session.close)
            if sentinel is None:  # the first batch holds nothing else
                [sentinel] = opened.values()
                shown.start_measuring()
                continue
            progress = _Share(shown, len(sessions), len(job.operators), len(opened))
            _measure_batch(job, opened, sentinel, log, progress)
            sessions |= opened
        assert sentinel is not None
        # Early rounds may turn out slow by what became known of the device later.
        results = _measure_batch(job, sessions, sentinel, log, lambda share: None)
        shown.measured(1.0)
    return {operator.key: results[operator.key] for operator in job.operators}


def _measure_batch(
    job: _Job,
    sessions: Mapping[str, Session],
    sentinel: Session,
    log: MeasurementLog,
    on_progress: Callable[[float], None],
) -> dict[str, Measurement]:
    return measure(
        sessions,
        job.protocol,
        sentinel=sentinel,
        rng=np.random.default_rng([job.seed, len(log.readings)]),
        log=log,
        on_progress=on_progress,
        throttling=job.runner.throttling,
    )


@contextmanager
def _converted(
    job: _Job, journal: Journal, shown: ProfileDisplay
) -> Iterator[Iterator[dict[Operator, Path]]]:
    """The models in batches, the sentinel first and alone; in one batch where converting would disturb."""

    def convert(operators: Sequence[Operator]) -> Generator[tuple[Operator, Path], None, None]:
        start = time.monotonic()
        for item in job.converter(operators):
            shown.converted()
            yield item
        spent.append(time.monotonic() - start)

    spent: list[float] = []
    operators = job.operators
    sentinel = dict(convert([SENTINEL]))
    if not job.runner.is_elsewhere:
        models = dict(convert(operators))
        journal.add_converting(sum(spent))
        yield iter([sentinel, models])
        return
    with in_background(convert, operators, batch=_BATCH) as batches:
        yield chain([sentinel], batches)
    journal.add_converting(sum(spent))


@dataclass(frozen=True)
class _Share:
    """Progress of a batch as progress of the whole."""

    shown: ProfileDisplay
    num_before: int
    num_in_all: int
    num_in_batch: int

    def __call__(self, share: float) -> None:
        self.shown.measured((self.num_before + share * self.num_in_batch) / self.num_in_all)


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
