"""From a name on the command line to a device."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fbsearch.devices.definition import (
    ADB_PORT,
    SERVER_PORT,
    AdbDefinition,
    DeviceDefinition,
    load_definition,
    split_address,
    tcp_serial,
)
from fbsearch.devices.description import DeviceDescription
from fbsearch.devices.local import LocalDevice
from fbsearch.devices.runner import Device
from fbsearch.errors import DependencyError, DeviceError

if TYPE_CHECKING:
    from fbsearch.devices.adb.link.discovery import FoundDevice

DEVICES_FOLDER = Path("devices")
ADB_PREFIX = "adb:"
_LOCAL = "local"
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):\d{1,5}")


@dataclass(frozen=True)
class DeviceListing:
    """One device that can be named, or a file that should describe one.

    Args:
        name: what ``--device`` takes.
        source: the file that defines it; None for the built-in ``local`` and for phones without a file.
        description: what the device tells about itself; None where it cannot be used.
        problem: why it cannot, and what to do.
        transport: how it was found: ``usb``, ``tcp`` or ``server``; None for what is no phone.
    """

    name: str
    source: Path | None
    description: DeviceDescription | None
    problem: str | None = None
    transport: str | None = None


def find_device(
    name: str,
    *,
    folder: Path = DEVICES_FOLDER,
    keep: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Device:
    """The device called ``name``; nothing is contacted yet.

    Args:
        name: as :func:`find_definition` takes it.
        folder: of the device files.
        keep: leave our folder on the phone at the end, whatever its definition says.
        notify: told, a line each, what a person should know or do meanwhile.

    Raises:
        DeviceError: if there is none, its definition is wrong, or ``keep`` is asked of this computer.
        DependencyError: if a package is missing that its kind needs.
    """
    definition = find_definition(name, folder=folder)
    if keep:
        if not isinstance(definition, AdbDefinition):
            raise DeviceError(
                f"--keep is for phones: device {name!r} is this computer, where nothing is left"
            )
        definition = definition.model_copy(update={"keep": True})
    return open_device(definition, notify=notify)


def find_definition(name: str, *, folder: Path = DEVICES_FOLDER) -> DeviceDefinition:
    """The definition of the device called ``name``.

    Args:
        name: the name of a file in ``folder`` or a path to one; ``local``; ``adb:SERIAL`` or ``HOST:PORT``
            for a phone without a file.
        folder: of the device files.

    Raises:
        DeviceError: if there is none, or it is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_definition(path)
    for candidate in _definition_files(folder):
        if candidate.stem == name:
            return load_definition(candidate)
    if name == _LOCAL:
        return LocalDevice().definition
    if name.startswith(ADB_PREFIX) or _HOST_AND_PORT.fullmatch(name):
        return _without_file(name.removeprefix(ADB_PREFIX))
    known = sorted({_LOCAL, *(file.stem for file in _definition_files(folder))})
    raise DeviceError(
        f"no device {name!r}; known are {', '.join(known)}; give one of these, a path to a device file, "
        f"adb:SERIAL or HOST:PORT of a phone, or write {folder / name}.yaml"
    )


def open_device(definition: DeviceDefinition, *, notify: Callable[[str], None] | None = None) -> Device:
    """The device of a definition; nothing is contacted yet.

    Raises:
        DependencyError: if a package is missing that its kind needs.
    """
    if not isinstance(definition, AdbDefinition):
        return LocalDevice(definition)
    try:
        from fbsearch.devices.adb.device.device import (
            AdbDevice,  # only here: a small machine does without ADB
        )
    except ModuleNotFoundError as error:
        raise DependencyError(f"{error.name} is not installed: pip install adb-shell adbutils") from None
    return AdbDevice(definition) if notify is None else AdbDevice(definition, notify=notify)


def list_devices(*, folder: Path = DEVICES_FOLDER) -> tuple[list[DeviceListing], list[str]]:
    """Every device that :func:`find_device` finds by name, every phone in reach, and what is wrong with them.

    No phone is asked for leave on its screen.

    Returns:
        The devices, and hints on what could not be looked at.
    """
    files = _definition_files(folder)
    listings = [] if any(file.stem == _LOCAL for file in files) else [_listing(_LOCAL, None)]
    phones: dict[Path, AdbDefinition] = {}
    for file in files:
        try:
            definition = load_definition(file)
        except DeviceError as error:
            listings.append(DeviceListing(file.stem, file, None, str(error)))
            continue
        if isinstance(definition, AdbDefinition):
            phones[file] = definition
        else:
            listings.append(_listing(file.stem, file, definition))
    found, hints = _discovered(list(phones.values()))
    for file, phone in phones.items():
        listings.append(_phone_listing(file, phone, found))
    named = [phone for phone in phones.values() if phone.place is not None]
    unclaimed = [device for device in found if not any(_may_be(device, phone) for phone in named)]
    return [*listings, *map(_unclaimed_listing, unclaimed)], hints


def _phone_listing(file: Path, phone: AdbDefinition, found: list[FoundDevice]) -> DeviceListing:
    matches = [device for device in found if _may_be(device, phone)]
    if phone.address is not None:  # what several servers hold at one address is one phone
        matches = sorted(matches, key=lambda device: device.server != _server(phone))[:1]
    if len(matches) == 1:
        return _found_listing(file.stem, file, phone, matches[0])
    if matches:
        problem = f"{len(matches)} phones are attached and the file names none: give its 'serial'"
    else:
        problem = "not in reach: plug it in with USB debugging allowed, or correct its serial or address"
    return DeviceListing(file.stem, file, None, problem)


def _may_be(device: FoundDevice, phone: AdbDefinition) -> bool:
    """Whether a phone's file leads to a device: by its address, else by its own server and no other."""
    if phone.address is not None:
        return device.serial == phone.place
    return phone.place in (None, device.serial) and device.server in (None, _server(phone))


def _unclaimed_listing(device: FoundDevice) -> DeviceListing:
    """A phone that no file is of; one at another server than the usual needs a file, which names that."""
    name, definition = f"{ADB_PREFIX}{device.serial}", _without_file(device.serial)
    if _may_be(device, definition) or device.server is None:
        return _found_listing(name, None, definition, device)
    problem = f"the adb server at {tcp_serial(*device.server)} has it: write a device file with that 'server'"
    return DeviceListing(name, None, None, problem, device.transport)


def _found_listing(
    name: str, file: Path | None, definition: AdbDefinition, device: FoundDevice
) -> DeviceListing:
    if device.state != "ready":
        return DeviceListing(name, file, None, f"{device.state}: {device.remedy}", device.transport)
    listing = _listing(name, file, definition)
    return DeviceListing(name, file, listing.description, listing.problem, device.transport)


def _listing(name: str, source: Path | None, definition: DeviceDefinition | None = None) -> DeviceListing:
    try:
        device = LocalDevice() if definition is None else open_device(definition)
        return DeviceListing(name, source, device.describe())
    except (DeviceError, DependencyError) as error:
        return DeviceListing(name, source, None, str(error))


def _discovered(phones: list[AdbDefinition]) -> tuple[list[FoundDevice], list[str]]:
    try:
        from fbsearch.devices.adb.link.discovery import discover
    except ModuleNotFoundError as error:
        return [], [
            f"no phones were looked for: {error.name} is not installed (pip install adb-shell adbutils)"
        ]
    addresses = [split_address(phone.address, ADB_PORT) for phone in phones if phone.address is not None]
    return discover(servers=map(_server, phones), addresses=addresses)


def _server(phone: AdbDefinition) -> tuple[str, int]:
    """Where its adb server runs."""
    return split_address(phone.server, SERVER_PORT)


def _without_file(place: str) -> AdbDefinition:
    """The definition of a phone that is given by its serial or address alone."""
    is_address = _HOST_AND_PORT.fullmatch(place) and not place.startswith("usb:")
    name = re.sub(r"[^A-Za-z0-9.]+", "-", place).strip("-.") or "phone"
    try:
        if is_address:
            return AdbDefinition(name=name, address=place)
        return AdbDefinition(name=name, serial=place)
    except ValidationError as error:
        message = " ".join(error.errors()[0]["msg"].split())
        raise DeviceError(f"{place!r} is no serial or address of a phone: {message}") from None


def _definition_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []
