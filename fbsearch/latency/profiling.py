"""Profiling: a space, a device and a runtime become a latency table."""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fbsearch.devices.description import RuntimeName
from fbsearch.devices.log import Event, MeasurementLog
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.latency.batches import Bench, measure_in_batches
from fbsearch.latency.calibrating import check_count, designed
from fbsearch.latency.conversion import Converter, NetworkConverter, converting, converting_networks
from fbsearch.latency.journal import Journal
from fbsearch.latency.naming import journal_path, launches_path
from fbsearch.latency.progress import Display, ProfileProgress
from fbsearch.latency.table import LatencyTable
from fbsearch.latency.tabulating import ProfileJob, announce, finish
from fbsearch.latency.whole_networks import measure_networks
from fbsearch.precision import Precision
from fbsearch.spaces import FactoredSpace

if TYPE_CHECKING:
    from fbsearch.export import ConversionCache

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
    job = ProfileJob(space, description, bench, num_networks)
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
        table = finish(job, measured, networks, journal, log, out)
    announce(table)
    return table
