"""Opening phones for commands that ask them something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbsearch.cli.printing import notify
from fbsearch.devices import AdbDefinition, find_device
from fbsearch.errors import DeviceError

if TYPE_CHECKING:
    from fbsearch.devices.adb.device.device import AdbDevice


def open_phone(name: str) -> AdbDevice:
    """The phone of a name, which tells on standard error what a person should know or do.

    Raises:
        DeviceError: if the device is not known, or is this computer.
    """
    device = find_device(name, notify=notify)
    if not isinstance(device.definition, AdbDefinition):
        raise DeviceError(f"device {name!r} is this computer: it needs no benchmark binary")
    return device  # type: ignore[return-value]  # an AdbDefinition opens as an AdbDevice
