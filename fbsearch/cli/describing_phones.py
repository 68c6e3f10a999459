"""``fbsearch devices describe`` and ``fbsearch devices setup``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from fbsearch.cli.printing import notify, print_fields, print_json, show_progress
from fbsearch.devices import AdbDefinition, find_definition, find_device
from fbsearch.errors import DependencyError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fbsearch.devices.adb.device.describing import PhoneReport
    from fbsearch.devices.adb.device.device import AdbDevice

_NOT_TOLD = "not told"


def show_phone(name: str, *, as_json: bool, write: Path | None, force: bool) -> None:
    """Print what a device tells about itself, and write a device file if asked to."""
    if force and write is None:
        raise DeviceError("--force replaces the file that --write names: give --write FILE, or leave it out")
    definition = find_definition(name)
    if not isinstance(definition, AdbDefinition):
        if write is not None:
            raise DeviceError(
                f"--write: device {name!r} is this computer; copy devices/local.yaml, which has every field"
            )
        _show_computer(name, as_json=as_json)
        return
    report = _described(name)
    if write is not None:
        from fbsearch.devices.adb.device.device_file import write_device_file

        write_device_file(report, write, overwrite=force)
    if as_json:
        print_json(report.to_dict())
    else:
        print_fields(report.definition.name, _rows(report))
    if write is not None:
        notify(f"{write}: written; read it, and measure with --device {write.stem}")


def set_up(
    name: str | None,
    *,
    abi: str | None,
    binary: Path | None,
    sha256: str | None,
    url: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Provide the benchmark binary of a phone or an ABI."""
    _needs_adb()
    from fbsearch.devices.adb.benchmark.provisioning import Provision, preferred_abi, provide_binary

    if (name is None) == (abi is None):
        raise DeviceError(
            "devices setup: give either a device, whose ABI is asked, or --abi, such as arm64-v8a"
        )
    device = None if name is None else _phone(name)
    if device is not None:
        abi = preferred_abi(device.name, device.phone.readings().identity)
        if device.definition.binary is None:  # else the hash is that of the file which the definition names
            sha256 = sha256 or device.definition.binary_sha256
    assert abi is not None
    wanted = Provision(abi, binary, sha256, url)
    with _download_bar(show_progress(quiet)) as progress:
        provided = provide_binary(wanted, progress=progress)
    if as_json:
        print_json(
            {
                "abi": provided.abi,
                "path": str(provided.path),
                "sha256": provided.sha256,
                "size_bytes": provided.size_bytes,
                "source": provided.source,
                "date": provided.date,
                "replaced_sha256": provided.replaced_sha256,
            }
        )
    else:
        came = f"taken from {binary}" if binary else f"fetched from {provided.source}"
        notify(f"benchmark binary for {provided.abi}: {came}, {provided.size_bytes / 2**20:.1f} MiB")
        notify(f"SHA-256 {provided.sha256}")
        notify(f"kept as {provided.path}")
        if provided.replaced_sha256:
            notify(f"it replaces {provided.replaced_sha256}: measure tables anew, two builds differ in speed")
    if device is not None and device.definition.binary is not None:
        notify(f"note: the device file names {device.definition.binary}, which is used in its place")


def _described(name: str) -> PhoneReport:
    from fbsearch.devices.adb.device.describing import describe_phone

    return describe_phone(_phone(name))


def _phone(name: str) -> AdbDevice:
    device = find_device(name, notify=notify)
    if not isinstance(device.definition, AdbDefinition):
        raise DeviceError(f"device {name!r} is this computer: it needs no benchmark binary")
    return device  # type: ignore[return-value]  # an AdbDefinition opens as an AdbDevice


def _needs_adb() -> None:
    try:
        import fbsearch.devices.adb  # noqa: F401  # only whether it can be
    except ModuleNotFoundError as error:
        raise DependencyError(f"{error.name} is not installed: pip install adb-shell adbutils") from None


def _show_computer(name: str, *, as_json: bool) -> None:
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
    readings, conditions = report.readings, report.readings.conditions
    identity, battery, thermal = readings.identity, conditions.battery, conditions.thermal
    version = f"{identity.android} (API {identity.sdk or _NOT_TOLD})" if identity.android else None
    hottest = (
        max(thermal.temperatures.items(), key=lambda item: item[1])
        if thermal and thermal.temperatures
        else None
    )
    rows: list[tuple[str, str | None]] = [
        ("serial", f"{report.serial} ({report.transport})"),
        ("model", identity.full_name),
        ("SoC", identity.soc),
        ("ABIs", ", ".join(identity.abis) or None),
        ("Android", version),
        ("kernel", identity.kernel),
        ("cores", None if readings.num_cores is None else str(readings.num_cores)),
        *(
            ("", f"{','.join(map(str, cluster.cores))} at {cluster.max_khz / 1e6:.2f} GHz")
            for cluster in readings.clusters
        ),
        ("big cores", None if report.big_cores is None else f"mask {report.big_cores}"),
        ("governor", ", ".join(sorted({core.governor for core in readings.cores if core.governor})) or None),
        ("memory", _size(readings.memory_bytes)),
        ("free space", _size(readings.free_bytes)),
        ("thermal status", report.thermal_status),
        ("hottest sensor", None if hottest is None else f"{hottest[0]} {hottest[1]:.1f} °C"),
        ("battery", _battery(battery)),
        ("tools", ", ".join(sorted(readings.tools)) or None),
        (
            "benchmark binary",
            f"{report.binary.sha256[:16]}… from {report.binary.source}"
            if report.binary
            else report.binary_problem,
        ),
    ]
    if conditions.capped_cores:
        held = ", ".join(map(str, conditions.capped_cores))
        rows.append(("held back", f"cores {held} may not reach their highest clock now"))
    if report.restored:
        rows.append(("set right", "fixed-performance mode, left on by an interrupted run, is off now"))
    if report.is_measured:
        rows.append(("busy", "another fbsearch measures there now"))
    if report.unknown:
        rows.append(("could not be known", "; ".join(report.unknown)))
    return [(name, value or _NOT_TOLD) for name, value in rows]


def _battery(battery: object) -> str | None:
    from fbsearch.devices.adb.readings import Battery

    if not isinstance(battery, Battery):
        return None
    parts = [
        None if battery.level is None else f"{battery.level} %",
        None if battery.temperature_celsius is None else f"{battery.temperature_celsius:.1f} °C",
        "charging" if battery.is_charging else "plugged in" if battery.is_plugged else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _size(num_bytes: int | None) -> str | None:
    return None if num_bytes is None else f"{num_bytes / 2**30:.1f} GiB"


@contextmanager
def _download_bar(is_shown: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error; yields what takes bytes so far and in all."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
    )
    with bar:
        task = bar.add_task("Fetching", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
