"""Growing a table: operators that it lacks are measured as its own were, and added to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from fbsearch.architecture import Operator
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.runner import Device
from fbsearch.latency.entries.entry import TableEntry
from fbsearch.latency.entries.header import TableHeader, TableSeconds
from fbsearch.latency.measuring.batches import measure_in_batches
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.naming import growth_journal_path
from fbsearch.latency.measuring.settings import CONVERTED, ON_SCREEN, ModelSource, Watch
from fbsearch.latency.profiling.opening import ELSEWHERE, bench_of, check_growable, table_identity
from fbsearch.latency.profiling.tabulating import announce, measurement_warnings
from fbsearch.latency.table import LatencyTable
from fbsearch.spaces import Code, Space


def grow_table(
    path: Path,
    operators: Iterable[Operator],
    device: Device,
    *,
    models: ModelSource = CONVERTED,
    watch: Watch = ON_SCREEN,
) -> LatencyTable:
    """Measure those of ``operators`` that the table at ``path`` lacks, and add them.

    They are measured on the table's device, with its runtime, threads, precision, protocol and seed, at the
    pace that its sentinel tells, so that their entries stand for the same as all others. Each round goes to
    the journal ``PATH.growth.partial`` as it ends; after an interruption, the same call goes on from there,
    also with other operators. The file is replaced in one step, and not at all where nothing is missing.

    Args:
        path: the table's file.
        operators: that shall have an entry.
        device: the table's.
        models: where model files come from.
        watch: who watches.

    Returns:
        The table as it is then.

    Raises:
        TableError: if the table is of another device, runtime or version of it, or cannot be read or written.
        ExportError: if an operator cannot be converted.
        DeviceError: if the device or its runtime cannot be used, or a model does not run there.
    """
    wanted = tuple(operators)
    table = LatencyTable.load(path)
    if not table.missing(wanted):
        return table
    bench = bench_of(table, device, path=path, models=models)
    check_growable(table, bench)
    identity = table_identity(table, bench)
    with Journal(growth_journal_path(path), identity, replaces=path, remedy=ELSEWHERE) as journal:
        table = LatencyTable.load(path)  # another process may have grown it before it was ours
        missing = {Operator.from_key(key): key for key in table.missing(wanted)}
        log = MeasurementLog(
            journal.events,
            on_append=watch.keeping(journal.append),
            reference_us=table.sentinel.baseline_us,
        )
        with watch.shows(len(missing), what="operators") as shown:
            measured = measure_in_batches(
                missing, bench.sentinel, bench, journal=journal, log=log, shown=shown
            )
        named = {operator.key: measurement for operator, measurement in measured.items()}
        seconds = TableSeconds(converting=journal.converting_s, measuring=log.elapsed_s)
        grown = replace(
            table,
            header=_grown_header(table.header, log, seconds, named),
            entries={**table.entries, **{key: TableEntry.of(one) for key, one in named.items()}},
        )
        grown.save(path)
        journal.delete()
    announce(grown, grown.warnings[len(table.warnings) :])
    return grown


def grow_for_networks(
    path: Path,
    space: Space,
    codes: Callable[[], Iterable[Code]],
    device: Device,
    *,
    models: ModelSource = CONVERTED,
    watch: Watch = ON_SCREEN,
) -> LatencyTable:
    """The table at ``path``, with all that networks of an open space take; other spaces' are complete.

    Args:
        path: the table's file.
        space: of the networks.
        codes: tells which; asked only where the space is open.
        device: the table's.
        models: where model files come from.
        watch: who watches.

    Raises:
        FbsearchError: as :func:`grow_table` raises it.
    """
    if space.operators() is not None:
        return LatencyTable.load(path)
    operators = [operator for code in codes() for operator in space.decode(code).operators()]
    return grow_table(path, operators, device, models=models, watch=watch)


def _grown_header(
    header: TableHeader, log: MeasurementLog, seconds: TableSeconds, measured: Mapping[str, Measurement]
) -> TableHeader:
    """The header with what growing took and showed; all that entries are to be compared by stays."""
    num_windows, num_discarded = log.windows(header.protocol)
    before = header.sentinel
    sentinel = before.model_copy(
        update={
            "readings_us": (*before.readings_us, *(reading.latency_us for reading in log.readings)),
            "num_windows": before.num_windows + num_windows,
            "num_discarded_windows": before.num_discarded_windows + num_discarded,
        }
    )
    warnings = [line for key, one in measured.items() for line in measurement_warnings(key, one)]
    return header.model_copy(
        update={
            "sentinel": sentinel,
            "warnings": (*header.warnings, *warnings),
            "seconds": TableSeconds(
                converting=round(header.seconds.converting + seconds.converting, 1),
                measuring=round(header.seconds.measuring + seconds.measuring, 1),
            ),
        }
    )
