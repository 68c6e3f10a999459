"""Calibrating a table: whole networks of a design, measured with the operators or for a table that exists."""

from __future__ import annotations

from pathlib import Path

from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.latency.calibration.designing import check_count, designed
from fbsearch.latency.measuring.naming import calibration_journal_path
from fbsearch.latency.measuring.settings import CONVERTED, ON_SCREEN, ModelSource, Watch
from fbsearch.latency.profiling.opening import table_bench
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Code, Space


def calibrate_table(
    table: LatencyTable,
    space: Space,
    device: Device,
    *,
    out: Path,
    num_networks: int,
    protocol: MeasurementProtocol | None = None,
    models: ModelSource = CONVERTED,
    seed: int = 0,
    watch: Watch = ON_SCREEN,
) -> LatencyTable:
    """Measure whole networks of ``space`` and write the table, calibrated with them, to ``out``.

    They are measured on the table's device, runtime and threads, as operators are: against each other,
    watched by the sentinel, whose pace the table tells. Each round goes to the journal
    ``OUT.calibration.partial`` as it ends; after an interruption, the same call goes on from there. A
    calibration that was there is replaced.

    Args:
        table: that holds the operators of ``space``; of an open one, those of the :func:`designed` networks.
        space: whose networks to measure.
        device: the table's.
        out: the calibrated table's file; replaced at the end, in one step.
        num_networks: how many; fewer are measured where the space holds fewer.
        protocol: how; by default as the table's operators.
        models: where model files come from.
        seed: of the design and the order of measuring.
        watch: who watches.

    Raises:
        InvalidInputError: if fewer networks are asked for than make a calibration.
        TableError: if the table is of another space, device or runtime, lacks an operator of a network, or
            cannot be written.
        ExportError: if a network cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
        CalibrationError: if the networks make no calibration, or a poor one; the table stays as it was.
    """
    check_count(num_networks)
    opened = table_bench(table, space, device, path=out, protocol=protocol, models=models, seed=seed)
    with opened.measured(
        lambda: priced(table, space, designed(space, table.latency_us, num_networks, seed)),
        journal=calibration_journal_path(out),
        replaces=out,
        identity={"networks": num_networks},
        watch=watch,
    ) as networks:
        calibrated = table.with_calibration(
            networks.calibration(table, space, protocol=opened.bench.protocol, seed=seed)
        )
        calibrated.save(out)
    return calibrated


def priced(table: LatencyTable, space: Space, codes: tuple[Code, ...]) -> tuple[Code, ...]:
    """``codes``, once the table has an entry for all that their networks take.

    Raises:
        MissingOperatorError: naming an operator that it lacks.
    """
    for code in codes:
        table.architecture_us(space.decode(code))
    return codes
