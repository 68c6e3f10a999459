"""What is reachable over ADB from this computer, and what to do about what is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fbsearch.devices.adb.link import faults
from fbsearch.devices.adb.link.direct import DirectLink, tcp_link, usb_link
from fbsearch.devices.adb.link.keys import AdbKey, default_key_path, load_key
from fbsearch.devices.adb.link.quoting import one_line
from fbsearch.devices.adb.link.server import ServerDevice, list_server, server_state
from fbsearch.devices.adb.link.usb import UsbDevice, list_usb
from fbsearch.devices.definition import SERVER_PORT, tcp_serial
from fbsearch.errors import DependencyError, DeviceError, DeviceUnavailableError

DeviceState = Literal["ready", "unauthorised", "offline", "busy", "no permission", "unknown"]
DEFAULT_SERVER = ("127.0.0.1", SERVER_PORT)
_PROBE_TIMEOUT_S = 3.0
_SERVER_STATES: dict[str, DeviceState] = {
    "device": "ready",
    "unauthorized": "unauthorised",
    "offline": "offline",
    "connecting": "offline",
    "authorizing": "unauthorised",
}


@dataclass(frozen=True)
class FoundDevice:
    """A device that this computer sees.

    Args:
        serial: what ``--serial`` takes: its serial, or its port as ``usb:1-2`` where that is unreadable.
        transport: ``usb``, ``tcp`` or ``server``.
        state: whether it can be used.
        remedy: what to do where it cannot.
        model: as far as known without its shell.
        server: host and port of the adb server that holds it; None without one.
    """

    serial: str
    transport: str
    state: DeviceState
    remedy: str | None
    model: str | None
    server: tuple[str, int] | None = None


def discover(
    *,
    servers: Iterable[tuple[str, int]] = (),
    addresses: Iterable[tuple[str, int]] = (),
    key: Path | None = None,
) -> tuple[list[FoundDevice], list[str]]:
    """Devices of running adb servers, on USB, and at given TCP addresses; each once.

    Nothing is started, created or asked on a device's screen.

    Args:
        servers: hosts and TCP ports where adb servers may run beside :data:`DEFAULT_SERVER`.
        addresses: hosts and TCP ports to try; one given twice is one.
        key: this computer's private key; None for ``~/.android/adbkey``.

    Returns:
        The devices, and hints on what could not be looked at.
    """
    hints: list[str] = []
    holding = {server: _held_by(server, hints) for server in (DEFAULT_SERVER, *servers)}
    held = [device for devices in holding.values() for device in devices]
    our_key = _existing_key(key, hints)
    found = [
        _from_server(device, devices, server) for server, devices in holding.items() for device in devices
    ]
    free = [device for device in _on_usb(hints) if not any(_is_same(device, other) for other in held)]
    twins = [device.serial for device in free]
    found += [_from_usb(device, our_key, has_twin=twins.count(device.serial) > 1) for device in free]
    known = {device.serial for device in held}
    for host, port in dict.fromkeys(addresses):
        if tcp_serial(host, port) not in known:
            found.append(_probe(tcp_link(host, port), our_key, None))
    return found, hints


def _held_by(server: tuple[str, int], hints: list[str]) -> list[ServerDevice]:
    """What a server holds; one that was asked for by name and does not run is a hint."""
    try:
        devices = list_server(*server)
    except DeviceError as error:
        hints.append(str(error))
        return []
    if devices is None and server != DEFAULT_SERVER:
        hints.append(
            f"no adb server runs at {tcp_serial(*server)}, which a device file names as its 'server'"
        )
    return devices or []


def _on_usb(hints: list[str]) -> list[UsbDevice]:
    try:
        return list_usb()
    except DependencyError as error:
        hints.append(str(error))
        return []


def _existing_key(path: Path | None, hints: list[str]) -> AdbKey | None:
    """The key, where there is one that can be used: looking around creates none."""
    path = default_key_path() if path is None else path
    try:
        return load_key(path, warn=hints.append) if path.exists() else None
    except (DeviceError, OSError) as error:
        hints.append(str(error))
        return None


def _is_same(device: UsbDevice, held: ServerDevice) -> bool:
    """Whether the server's device is this one: by port where the server tells it, else by serial."""
    if "usb" in held.tags:
        return held.tags["usb"] == device.port
    return device.serial is not None and held.serial == device.serial


def _from_server(device: ServerDevice, held: list[ServerDevice], server: tuple[str, int]) -> FoundDevice:
    model = device.tags.get("model")
    state = _SERVER_STATES.get(device.state, "unknown")
    if device.state.startswith("no permissions"):
        state = "no permission"
    remedy = None if state == "ready" else str(server_state(device))
    serial = device.serial
    if [other.serial for other in held].count(serial) > 1 and "usb" in device.tags:
        serial = f"usb:{device.tags['usb']}"
        remedy = remedy or f"another device has serial {device.serial!r} too: give this one as {serial!r}"
    return FoundDevice(serial, "server", state, remedy, model, server)


def _from_usb(device: UsbDevice, key: AdbKey | None, *, has_twin: bool) -> FoundDevice:
    port = f"usb:{device.port}"
    if device.problem is not None:
        problem = faults.usb_fault(device.problem, f"device at {port}", "reading its serial")
        state: DeviceState = "no permission" if device.problem == "USBErrorAccess" else "unknown"
        return FoundDevice(port, "usb", state, str(problem), None)
    try:
        found = _probe(usb_link(device), key, device.model)
    except DependencyError as error:
        return FoundDevice(device.name, "usb", "unknown", str(error), device.model)
    if not has_twin:
        return found
    remedy = found.remedy or f"another device has serial {device.serial!r} too: give this one as {port!r}"
    return FoundDevice(port, "usb", found.state, remedy, found.model)


def _probe(link: DirectLink, key: AdbKey | None, model: str | None) -> FoundDevice:
    """Shake hands with our key, as far as that goes without a question on the device's screen."""
    try:
        is_known = link.knows(key, timeout_s=_PROBE_TIMEOUT_S)
    except DeviceError as error:
        return FoundDevice(link.serial, link.transport, _state(error), str(error), model)
    if is_known:
        return FoundDevice(
            link.serial, link.transport, "ready", None, one_line(link.model) if link.model else model
        )
    remedy = "run `fbsearch devices describe` with it and allow this computer on its screen"
    return FoundDevice(link.serial, link.transport, "unauthorised", remedy, model)


def _state(error: DeviceError) -> DeviceState:
    if not isinstance(error, DeviceUnavailableError) or error.reason == "other":
        return "unknown"
    return "offline" if error.reason == "absent" else error.reason
