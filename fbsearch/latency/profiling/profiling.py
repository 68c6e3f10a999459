"""Profiling: operators of a space, a device and a runtime become a latency table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fbsearch.architecture import Operator
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.latency.calibration.designing import check_count, designed, first_operators
from fbsearch.latency.measuring.batches import Bench, measure_in_batches
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.naming import journal_path, launches_path
from fbsearch.latency.measuring.runtime import TFLITE, RuntimeChoice
from fbsearch.latency.measuring.settings import CONVERTED, ON_SCREEN, ModelSource, Watch
from fbsearch.latency.measuring.whole_networks import NetworkMeasurements, measure_networks
from fbsearch.latency.profiling.tabulating import ProfileJob, announce, finish
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Space


def profile(
    space: Space,
    device: Device,
    *,
    out: Path,
    operators: Sequence[Operator] | None = None,
    how: RuntimeChoice = TFLITE,
    protocol: MeasurementProtocol | None = None,
    models: ModelSource = CONVERTED,
    seed: int = 0,
    watch: Watch = ON_SCREEN,
    num_networks: int = 0,
) -> LatencyTable:
    """Measure operators of ``space`` on ``device`` and write the table to ``out``.

    On this computer everything is converted first, so that nothing else runs while it measures; another
    device measures what is converted while the rest is. Each round goes to the journal ``OUT.partial`` as
    it ends; after an interruption, the same call goes on from there. A device that launches a tool
    records every launch in ``OUT.launches.jsonl``.

    Whole networks, if any are asked for, are measured after the operators in the same way, and the table is
    calibrated with them.

    Args:
        space: whose operators to measure; the table's header names it.
        device: where.
        out: the table's file; replaced at the end, in one step.
        operators: which; None for :func:`first_operators`.
        how: with what runtime.
        protocol: how; by default the device's own.
        models: where model files come from.
        seed: shuffles the order of measuring.
        watch: who watches.
        num_networks: whole networks to calibrate with; 0 for none.

    Returns:
        The table; operators that never converged are named in its ``warnings``, and logged.

    Raises:
        TableError: if the journal or the table cannot be written, or the journal is of another profile.
        ExportError: if an operator cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        KeyboardInterrupt: once ``watch.stop`` is set; what is measured is kept.
        CalibrationError: if the networks make no calibration, or a poor one; the table is written without
            one.
    """
    if num_networks:
        check_count(num_networks)
    runner, description = how.on(device), device.describe()
    bench = Bench(
        runner=runner,
        protocol=protocol if protocol is not None else device.definition.protocol,
        seed=seed,
        launches=launches_path(out),
        sentinel=models.of_operators(how),
        memory_bytes=description.memory_bytes,
    )
    job = ProfileJob(space, _charged(operators, space, num_networks, seed), description, bench, num_networks)
    with Journal(journal_path(out), job.identity(), replaces=out) as journal:
        log = MeasurementLog(journal.events, on_append=watch.keeping(journal.append))
        with watch.shows(len(job.operators)) as shown:
            keys = {operator: operator.key for operator in job.operators}
            measured = measure_in_batches(keys, bench.sentinel, bench, journal=journal, log=log, shown=shown)

        def alone_us(operator: Operator) -> float:
            return 0.0 if operator.is_free else measured[operator].latency_us

        networks: NetworkMeasurements | None = None
        if num_networks:
            networks = measure_networks(
                space,
                lambda: designed(space, alone_us, num_networks, seed),
                models.of_networks(how),
                bench,
                journal=journal,
                log=log,
                display=watch.shows,
            )
        table = finish(job, measured, networks, journal, log, out)
    announce(table, table.warnings)
    return table


def _charged(
    operators: Sequence[Operator] | None, space: Space, num_networks: int, seed: int
) -> tuple[Operator, ...]:
    """What to measure: each operator once, but for those that are free."""
    given = (
        operators if operators is not None else first_operators(space, num_networks=num_networks, seed=seed)
    )
    return tuple(dict.fromkeys(operator for operator in given if not operator.is_free))
