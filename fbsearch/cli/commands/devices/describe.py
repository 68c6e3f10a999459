"""``fbsearch devices describe``: what a phone tells about itself, and a device file of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Json, written
from fbsearch.cli.printing import notify, print_fields, print_json
from fbsearch.errors import DeviceError

if TYPE_CHECKING:
    from fbsearch.devices.adb.device.describing import PhoneReport
    from fbsearch.devices.adb.readings import Battery, Thermal

EXAMPLES = (
    "Examples: fbsearch devices describe pixel7; fbsearch devices describe 192.168.1.20:5555 --json; "
    "fbsearch devices describe adb:SERIAL --write devices/pixel7.yaml"
)

_NOT_TOLD = "not told"


def describe(
    device: Annotated[
        str,
        typer.Argument(help="A device of devices/*.yaml, a path to such a file, adb:SERIAL or HOST:PORT."),
    ],
    as_json: Json = False,
    write: Annotated[
        Path | None, written("--write", help="Write a commented device file, such as devices/NAME.yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file if it is there.")] = False,
) -> None:
    """Print what a phone is, its cores and clocks, its heat and charge, and what it does not tell.

    If an interrupted run left fixed-performance mode on, it is switched off.
    """
    from fbsearch.devices import AdbDefinition, find_definition

    if force and write is None:
        raise DeviceError("--force replaces the file that --write names: give --write FILE, or leave it out")
    if isinstance(find_definition(device), AdbDefinition):
        _show_phone(device, write, overwrite=force, as_json=as_json)
        return
    if write is not None:
        raise DeviceError(
            f"--write: device {device!r} is this computer; copy devices/local.yaml, which has every field"
        )
    _show_computer(device, as_json=as_json)


def _show_phone(name: str, write: Path | None, *, overwrite: bool, as_json: bool) -> None:
    from fbsearch.cli.phones import open_phone
    from fbsearch.devices.adb.device.describing import describe_phone
    from fbsearch.devices.adb.device.device_file import write_device_file

    report = describe_phone(open_phone(name))
    if write is not None:
        write_device_file(report, write, overwrite=overwrite)
    if as_json:
        print_json(report.to_dict())
    else:
        print_fields(report.definition.name, _rows(report))
    if write is not None:
        notify(f"{write}: written; read it, and measure with --device {write.stem}")


def _show_computer(name: str, *, as_json: bool) -> None:
    from fbsearch.devices import find_device

    description = find_device(name).describe()
    if as_json:
        print_json(description.model_dump(mode="json"))
        return
    told = description.model_dump(mode="json", exclude={"properties"})
    rows = [
        (field.replace("_", " "), _NOT_TOLD if value in (None, "") else str(value))
        for field, value in told.items()
    ]
    print_fields(description.name, rows)


def _rows(report: PhoneReport) -> list[tuple[str, str]]:
    found = [*_identity(report), *_processor(report), *_state(report)]
    return [*((name, value or _NOT_TOLD) for name, value in found), *_remarks(report)]


def _identity(report: PhoneReport) -> list[tuple[str, str | None]]:
    identity = report.readings.identity
    version = f"{identity.android} (API {identity.sdk or _NOT_TOLD})" if identity.android else None
    return [
        ("serial", f"{report.serial} ({report.transport})"),
        ("model", identity.full_name),
        ("SoC", identity.soc),
        ("ABIs", ", ".join(identity.abis) or None),
        ("Android", version),
        ("kernel", identity.kernel),
    ]


def _processor(report: PhoneReport) -> list[tuple[str, str | None]]:
    readings = report.readings
    return [
        ("cores", None if readings.num_cores is None else str(readings.num_cores)),
        *(
            ("", f"{','.join(map(str, cluster.cores))} at {cluster.max_khz / 1e6:.2f} GHz")
            for cluster in readings.clusters
        ),
        ("big cores", None if report.big_cores is None else f"mask {report.big_cores}"),
        ("governor", ", ".join(sorted({core.governor for core in readings.cores if core.governor})) or None),
    ]


def _state(report: PhoneReport) -> list[tuple[str, str | None]]:
    readings, conditions, binary = report.readings, report.readings.conditions, report.binary
    return [
        ("memory", _size(readings.memory_bytes)),
        ("free space", _size(readings.free_bytes)),
        ("thermal status", report.thermal_status),
        ("hottest sensor", _hottest(conditions.thermal)),
        ("battery", None if conditions.battery is None else _charge(conditions.battery)),
        ("tools", ", ".join(sorted(readings.tools)) or None),
        (
            "benchmark binary",
            report.binary_problem if binary is None else f"{binary.sha256[:16]}… from {binary.source}",
        ),
    ]


def _remarks(report: PhoneReport) -> list[tuple[str, str]]:
    """What stands there only where it is so."""
    rows = []
    if report.readings.conditions.capped_cores:
        held = ", ".join(map(str, report.readings.conditions.capped_cores))
        rows.append(("held back", f"cores {held} may not reach their highest clock now"))
    if report.restored:
        rows.append(("set right", "fixed-performance mode, left on by an interrupted run, is off now"))
    if report.is_measured:
        rows.append(("busy", "another fbsearch measures there now"))
    if report.unknown:
        rows.append(("could not be known", "; ".join(report.unknown)))
    return rows


def _hottest(thermal: Thermal | None) -> str | None:
    if thermal is None or not thermal.temperatures:
        return None
    sensor, celsius = max(thermal.temperatures.items(), key=lambda item: item[1])
    return f"{sensor} {celsius:.1f} °C"


def _charge(battery: Battery) -> str | None:
    parts = [
        None if battery.level is None else f"{battery.level} %",
        None if battery.temperature_celsius is None else f"{battery.temperature_celsius:.1f} °C",
        "charging" if battery.is_charging else "plugged in" if battery.is_plugged else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _size(num_bytes: int | None) -> str | None:
    return None if num_bytes is None else f"{num_bytes / 2**30:.1f} GiB"
