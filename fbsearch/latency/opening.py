"""A table's own device, runtime and threads, ready to measure what is to be compared with its entries."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import TableMismatchError
from fbsearch.latency.batches import Bench
from fbsearch.latency.naming import launches_path
from fbsearch.latency.sentinel import SENTINEL
from fbsearch.latency.settings import ModelSource, RuntimeChoice
from fbsearch.latency.table import LatencyTable

_log = logging.getLogger(__name__)


def bench_of(
    table: LatencyTable,
    device: Device,
    *,
    path: Path,
    models: ModelSource,
    protocol: MeasurementProtocol | None = None,
    seed: int | None = None,
) -> Bench:
    """Make sure that table and device belong together, and get ready to measure.

    Args:
        table: whose device it must be.
        device: the table's.
        path: the table's file, beside which launches are recorded.
        models: where model files come from.
        protocol: how to measure; None as the table's operators were.
        seed: of the order of measuring; None for the table's.

    Raises:
        TableMismatchError: if the table is of another device or runtime.
        DeviceError: if the device or its runtime cannot be used.
    """
    how, description = RuntimeChoice.of(table.runtime), device.describe()
    runner = device.runner(how.runtime, threads=how.threads, precision=how.precision)
    for difference in table.check_device(description, runner.description):
        _log.warning("%s", difference)
    return Bench(
        runner=runner,
        protocol=protocol if protocol is not None else table.protocol,
        seed=seed if seed is not None else table.header.seed,
        launches=launches_path(path),
        sentinel=models.of_operators(how),
        memory_bytes=description.memory_bytes,
    )


def table_identity(table: LatencyTable, bench: Bench) -> dict[str, Any]:
    """What two runs for a table must share for their rounds to belong together."""
    return {
        "table": {"space": table.space_fingerprint, "created": table.header.created},
        "device": table.device.identity,
        "runtime": bench.runner.description.model_dump(mode="json"),
        "protocol": bench.protocol.model_dump(mode="json"),
        "seed": bench.seed,
        "sentinel": SENTINEL.key,
    }


def check_growable(table: LatencyTable, bench: Bench) -> None:
    """Refuse to add entries that would not stand for the same as those of the table.

    Raises:
        TableMismatchError: if another version of the runtime would measure them, or another sentinel watch.
    """
    own, given = table.runtime, bench.runner.description
    if (own.package, own.version) != (given.package, given.version):
        raise TableMismatchError(
            f"{table.source} was measured with {own.package} {own.version}; in use is {given.package} "
            f"{given.version}, and one table holds one version: install that one, or profile a new table"
        )
    if table.sentinel.operator != SENTINEL.key:
        raise TableMismatchError(
            f"{table.source} was watched by the sentinel {table.sentinel.operator}, this fbsearch's is "
            f"{SENTINEL.key}: profile a new table"
        )
