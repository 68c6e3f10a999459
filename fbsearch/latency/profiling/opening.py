"""A table's own device, runtime and threads, ready to measure what is to be compared with its entries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Device
from fbsearch.errors import CalibrationError, TableMismatchError
from fbsearch.latency.measuring.batches import Bench
from fbsearch.latency.measuring.conversion import NetworkConverter
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.naming import launches_path
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.measuring.whole_networks import NetworkMeasurements, Plan, measure_networks
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Space

_log = logging.getLogger(__name__)

ELSEWHERE = "copy the table elsewhere"


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
    runner = how.on(device)
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
        replaces: Path | None = None,
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
            replaces: the table that is written with them, which nobody else writes meanwhile.
        """
        with Journal(journal, self._identity() | identity, replaces=replaces, remedy=ELSEWHERE) as file:
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
