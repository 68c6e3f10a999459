"""A table's file, opened for commands: its space, and where and how to measure for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.cli.options import SpaceFields
from fbsearch.cli.table_space import space_of
from fbsearch.devices import Device, MeasurementProtocol, find_device
from fbsearch.files import check_writable
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.growing import grow_for_networks
from fbsearch.pipeline.recipe import apply_overrides, validate_settings
from fbsearch.spaces import Code, Space


@dataclass(frozen=True)
class OpenedTable:
    """A table with all that measuring whole networks for it takes.

    Args:
        path: of the file.
        table: as read.
        space: whose table it is.
        device: where to measure.
        protocol: how.
    """

    path: Path
    table: LatencyTable
    space: Space
    device: Device
    protocol: MeasurementProtocol

    def grown_for(
        self, codes: Callable[[], Iterable[Code]], *, models: ModelSource, watch: Watch
    ) -> LatencyTable:
        """The table with all that networks take: an open space's is measured first.

        Args:
            codes: tells which networks; asked only where the space is open.
            models: where model files come from.
            watch: who watches.

        Raises:
            FbsearchError: as :func:`fbsearch.latency.profiling.growing.grow_table` raises it.
        """
        return grow_for_networks(self.path, self.space, codes, self.device, models=models, watch=watch)


def open_table(
    path: Path,
    source: str | None,
    fields: SpaceFields,
    *,
    device_name: str | None,
    overrides: Sequence[str],
) -> OpenedTable:
    """Open a table's file to measure for it.

    Args:
        path: the file.
        source: its space; None for the preset of its name.
        fields: what replaces fields of the space's definition.
        device_name: None for the table's own device.
        overrides: ``name=value`` of the measurement protocol.

    Raises:
        FbsearchError: if the table cannot be read or replaced, or is of another space; if the device is not
            known, or a setting is wrong.
    """
    table = LatencyTable.load(path)
    space = space_of(table, path, source, fields)
    check_writable(path.parent)
    protocol = validate_settings(
        MeasurementProtocol, apply_overrides(table.protocol.model_dump(), overrides), source="protocol"
    )
    return OpenedTable(path, table, space, device_of(table, device_name), protocol)


def device_of(table: LatencyTable, name: str | None) -> Device:
    """The device of a name, or the table's own, by its name.

    Raises:
        DeviceError: if it is not known.
    """
    return find_device(name or table.device.name)
