"""From a name on the command line to a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fbsearch.devices.definition import DeviceDefinition, load_definition
from fbsearch.devices.description import DeviceDescription
from fbsearch.devices.local import LocalDevice
from fbsearch.errors import DeviceError

DEVICES_FOLDER = Path("devices")
_LOCAL = "local"


@dataclass(frozen=True)
class DeviceListing:
    """One device that can be named, or a file that should describe one.

    Args:
        name: what ``--device`` takes.
        source: the file that defines it; None for the built-in ``local``.
        description: what the device tells about itself; None where it cannot be used.
        problem: why it cannot, and what to do.
    """

    name: str
    source: Path | None
    description: DeviceDescription | None
    problem: str | None = None


def find_device(name: str, *, folder: Path = DEVICES_FOLDER) -> LocalDevice:
    """The device called ``name``: a file, a definition in ``folder``, or the built-in ``local``.

    Raises:
        DeviceError: if there is none, or its definition is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return _device(load_definition(path))
    for candidate in _definition_files(folder):
        if candidate.stem == name:
            return _device(load_definition(candidate))
    if name == _LOCAL:
        return LocalDevice()
    known = sorted({_LOCAL, *(file.stem for file in _definition_files(folder))})
    raise DeviceError(
        f"no device {name!r}; known are {', '.join(known)}; "
        f"give one of these, a path to a device file, or write {folder / name}.yaml"
    )


def list_devices(*, folder: Path = DEVICES_FOLDER) -> list[DeviceListing]:
    """Every device that :func:`find_device` finds by name, and what is wrong with those it cannot use."""
    files = _definition_files(folder)
    listings = [] if any(file.stem == _LOCAL for file in files) else [_listing(_LOCAL, None, folder)]
    return listings + [_listing(file.stem, file, folder) for file in files]


def _listing(name: str, source: Path | None, folder: Path) -> DeviceListing:
    try:
        return DeviceListing(name, source, find_device(name, folder=folder).describe())
    except DeviceError as error:
        return DeviceListing(name, source, None, str(error))


def _definition_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def _device(definition: DeviceDefinition) -> LocalDevice:
    return LocalDevice(definition)
