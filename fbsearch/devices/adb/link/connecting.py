"""From an address to a connection: over USB, TCP or a running adb server."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from fbsearch.devices.adb.link.connection import AdbAddress, Connection
from fbsearch.devices.adb.link.direct import connect_tcp, connect_usb
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.adb.link.server import attach, choose_server, connect_server, list_server
from fbsearch.devices.definition import tcp_serial
from fbsearch.errors import DependencyError, DeviceError, DeviceUnavailableError

_LOGGER = logging.getLogger(__name__)
_TCP_SERIAL = re.compile(r"(?!usb:)(\[[0-9A-Fa-f:.%]+\]|[^:/\s]+):(\d{1,5})")


def connect(address: AdbAddress, *, notify: Callable[[str], None] = _LOGGER.warning) -> Connection:
    """Connect to the device at an address.

    Args:
        address: which device, and how to reach it.
        notify: told, a line each, what a person should know or do meanwhile.

    Raises:
        DeviceUnavailableError: if it cannot be reached; the message says what to do.
        DependencyError: if USB is needed and libusb is missing.
    """
    if address.transport == "server":
        return _through_server(address)
    if address.transport == "tcp":
        return _over_tcp(address, notify)
    if address.transport == "usb":
        return _over_usb(address, notify)
    return _over_the_best(address, notify)


def _over_the_best(address: AdbAddress, notify: Callable[[str], None]) -> Connection:
    """Through the server where it has the device ready, else over TCP where there is an address, else USB."""
    try:
        devices = list_server(address.server_host, address.server_port)
    except DeviceError as error:
        notify(str(error))
        devices = None
    wanted, is_tcp = _wanted(address), _tcp_address(address) is not None
    matches = [device for device in devices or [] if wanted is None or device.is_called(wanted)]
    is_ready = len(matches) == 1 and matches[0].state == "device"
    if matches and (is_ready or not is_tcp):  # a device on USB that the server holds is there or nowhere
        return connect_server(wanted, host=address.server_host, port=address.server_port)
    if is_tcp:
        return _over_tcp(address, notify)
    try:
        return _over_usb(address, notify)
    except (DependencyError, DeviceUnavailableError) as error:
        is_absent = isinstance(error, DependencyError) or error.reason == "absent"
        if devices and is_absent:
            choose_server(devices, wanted)  # its error names what the server has
        raise


def _through_server(address: AdbAddress) -> Connection:
    place = _tcp_address(address)
    if place is not None:
        attach(tcp_serial(*place), host=address.server_host, port=address.server_port)
    return connect_server(_wanted(address), host=address.server_host, port=address.server_port)


def _over_tcp(address: AdbAddress, notify: Callable[[str], None]) -> Connection:
    place = _tcp_address(address)
    if place is None:
        raise DeviceError(
            "transport 'tcp' needs the device's address; give its host, and its port if not 5555"
        )
    key = load_key(address.key, warn=notify)
    return connect_tcp(*place, key, notify=notify, auth_timeout_s=address.auth_timeout_s)


def _over_usb(address: AdbAddress, notify: Callable[[str], None]) -> Connection:
    key = load_key(address.key, warn=notify)
    return connect_usb(address.serial, key, notify=notify, auth_timeout_s=address.auth_timeout_s)


def _wanted(address: AdbAddress) -> str | None:
    """The device's serial in the adb server's list."""
    place = _tcp_address(address)
    return address.serial if place is None else tcp_serial(*place)


def _tcp_address(address: AdbAddress) -> tuple[str, int] | None:
    """Host and port: as given, or out of a serial like ``192.168.1.5:5555``."""
    if address.host is not None:
        return address.host, address.port
    match = _TCP_SERIAL.fullmatch(address.serial or "")
    return (match[1].strip("[]"), int(match[2])) if match is not None else None
