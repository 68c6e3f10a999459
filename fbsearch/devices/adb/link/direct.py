"""A connection straight to the device, over USB or TCP, with adb-shell; needs no adb server."""

from __future__ import annotations

from collections.abc import Callable

from adb_shell.exceptions import DeviceAuthError, InvalidCommandError, InvalidResponseError

from fbsearch.devices.adb.link import faults
from fbsearch.devices.adb.link.adb_shell_parts import UsbTransport
from fbsearch.devices.adb.link.keys import AdbKey
from fbsearch.devices.adb.link.packet_stream import PacketStream
from fbsearch.devices.adb.link.packets import PacketLink
from fbsearch.devices.adb.link.services import ServiceConnection
from fbsearch.devices.adb.link.streams import Deadline
from fbsearch.devices.adb.link.transports import PacedTransport, SoundTcpTransport
from fbsearch.devices.adb.link.usb import UsbDevice, choose_usb, list_usb
from fbsearch.devices.definition import tcp_serial
from fbsearch.errors import ConnectionLostError, DeviceError, DeviceUnavailableError

_CONNECT_TIMEOUT_S = 10.0
_USB_ATTEMPTS = 3  # packets of a session that was cut off may still lie in the device's buffers


def connect_tcp(
    host: str,
    port: int,
    key: AdbKey,
    *,
    notify: Callable[[str], None],
    auth_timeout_s: float = 60,
    connect_timeout_s: float = _CONNECT_TIMEOUT_S,
    send_buffer: int | None = None,
) -> ServiceConnection:
    """Connect to a device that listens on TCP.

    Args:
        host: name or address.
        port: its TCP port.
        key: this computer's.
        notify: told when a person must allow this computer on the device's screen.
        auth_timeout_s: how long to wait for that.
        connect_timeout_s: for everything else.
        send_buffer: the socket's, in bytes; None leaves the system's.

    Raises:
        DeviceUnavailableError: if nothing there speaks ADB or the device does not let us in.
    """
    link = tcp_link(host, port, send_buffer=send_buffer)
    link.connect(key, notify=notify, auth_timeout_s=auth_timeout_s, connect_timeout_s=connect_timeout_s)
    return ServiceConnection(link)


def connect_usb(
    serial: str | None, key: AdbKey, *, notify: Callable[[str], None], auth_timeout_s: float = 60
) -> ServiceConnection:
    """Connect to a device on USB.

    Args:
        serial: the whole serial, or a port as ``usb:1-2.3``; None for the only device.
        key: this computer's.
        notify: told when a person must allow this computer on the device's screen.
        auth_timeout_s: how long to wait for that.

    Raises:
        DeviceUnavailableError: if there is no such device, it is held by another program or lets us not in.
        DependencyError: if libusb is missing.
    """
    device = choose_usb(list_usb(), serial)
    for attempt in range(_USB_ATTEMPTS):
        link = usb_link(device)
        try:
            link.connect(
                key, notify=notify, auth_timeout_s=auth_timeout_s, connect_timeout_s=_CONNECT_TIMEOUT_S
            )
            break
        except ConnectionLostError:
            if attempt == _USB_ATTEMPTS - 1:
                raise
    return ServiceConnection(link)


def tcp_link(host: str, port: int, *, send_buffer: int | None = None) -> DirectLink:
    """A link to a device on TCP, not yet connected."""
    transport = SoundTcpTransport(host, port, send_buffer=send_buffer)
    return DirectLink(PacketLink(transport), serial=tcp_serial(host, port), transport="tcp")


def usb_link(device: UsbDevice) -> DirectLink:
    """A link to a device on USB, not yet connected.

    Raises:
        DependencyError: if adb-shell has no libusb.
    """
    if UsbTransport is None:
        raise faults.missing_libusb("adb-shell did not find it")
    transport = PacedTransport(UsbTransport(device.handle, device.setting, usb_info=device.name))
    return DirectLink(PacketLink(transport), serial=device.name, transport="usb")


class DirectLink:
    """A :class:`~fbsearch.devices.adb.link.services.ServiceLink` over packets.

    Args:
        packets: the link, not yet connected.
        serial: the device's name.
        transport: ``usb`` or ``tcp``.
    """

    def __init__(self, packets: PacketLink, *, serial: str, transport: str) -> None:
        self._packets = packets
        self._serial = serial
        self._transport = transport

    @property
    def serial(self) -> str:
        """The device's name."""
        return self._serial

    @property
    def transport(self) -> str:
        """``usb`` or ``tcp``."""
        return self._transport

    @property
    def features(self) -> frozenset[str]:
        """From the device's banner."""
        return self._packets.features

    @property
    def model(self) -> str | None:
        """From the device's banner."""
        return self._packets.properties.get("ro.product.model")

    @property
    def max_service_bytes(self) -> int:
        """The largest packet the device takes."""
        return self._packets.max_payload

    def connect(
        self,
        key: AdbKey,
        *,
        notify: Callable[[str], None],
        auth_timeout_s: float,
        connect_timeout_s: float,
    ) -> None:
        """Shake hands.

        Raises:
            DeviceUnavailableError: if the device is absent, held by another program or does not let us in.
            ConnectionLostError: if what it says is garbled.
        """
        was_asked = False

        def ask() -> Deadline:
            nonlocal was_asked
            was_asked = True
            notify(
                f"device {self._serial!r}: look at its screen and allow USB debugging for this computer "
                f"(key fingerprint {key.fingerprint}); waiting up to {auth_timeout_s:g} s"
            )
            return Deadline(auth_timeout_s)

        try:
            self._packets.handshake(key, deadline=Deadline(connect_timeout_s), ask=ask)
        except Exception as error:  # judged below: adb-shell and libusb raise many kinds
            self._packets.shut()
            known = _handshake_error(error, self._serial, was_asked=was_asked)
            if known is None:
                raise
            raise known from error

    def knows(self, key: AdbKey | None, *, timeout_s: float) -> bool:
        """Whether the device lets ``key`` in; it asks nobody on its screen. The link ends with the answer.

        Args:
            key: None where there is none: then only a device that lets everybody in says yes.
            timeout_s: for the whole handshake.

        Raises:
            DeviceUnavailableError: if the device is absent or held by another program.
        """

        def ask() -> Deadline:
            raise _KeyUnknownError

        try:
            self._packets.handshake(key, deadline=Deadline(timeout_s), ask=ask)
        except (_KeyUnknownError, DeviceAuthError):
            return False
        except Exception as error:  # judged below: adb-shell and libusb raise many kinds
            known = _handshake_error(error, self._serial, was_asked=False)
            if known is None:
                raise
            raise known from error
        finally:
            self._packets.shut()
        return True

    def open(self, service: bytes, deadline: Deadline) -> PacketStream:
        """Start a service on the device."""
        if not self._packets.is_open:
            raise EOFError("the connection is closed")
        return PacketStream(self._packets, service, deadline)

    def close(self) -> None:
        """End the link."""
        self._packets.shut()


class _KeyUnknownError(Exception):
    """The device would now ask on its screen."""


def _handshake_error(error: Exception, serial: str, *, was_asked: bool) -> Exception | None:
    """What a handshake that failed means; None where it is a bug of our own."""
    place = f"device {serial!r}"
    translated = faults.translate(error, serial, "connecting")
    if isinstance(error, DeviceAuthError) or (was_asked and isinstance(translated, ConnectionLostError)):
        return faults.unauthorised(serial)
    if isinstance(error, (InvalidCommandError, InvalidResponseError)):
        return ConnectionLostError(f"what answers as {place} does not speak ADB: is the address right?")
    if isinstance(translated, ConnectionLostError):
        reason = _reason(error)
        return DeviceUnavailableError(
            f"{place} cannot be reached ({reason}): {faults.PLUG_IN}; over TCP also check "
            "address and port, and run `adb tcpip 5555` once with the cable",
            reason="offline" if isinstance(error, TimeoutError) else "absent",
        )
    assert translated is None or isinstance(translated, DeviceError)
    return translated


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return faults.usb_name(error) or type(error).__name__
