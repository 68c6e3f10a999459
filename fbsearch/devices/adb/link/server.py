"""A connection through a running adb server, with adbutils; the way where Android Studio holds the phone.

adbutils 2.12 brings the server's protocol. Left aside is what would surprise: it starts a server where none
runs, its limits on time hold for single reads, and its pushes neither say why a device refused nor send whole
pieces on a socket with a timeout.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from adbutils import AdbClient, AdbConnection, AdbError
from adbutils.errors import AdbConnectionError, AdbTimeout

from fbsearch.devices.adb.link import faults
from fbsearch.devices.adb.link.quoting import encode, one_line
from fbsearch.devices.adb.link.services import ServiceConnection
from fbsearch.devices.adb.link.streams import Deadline
from fbsearch.errors import ConnectionLostError, DeviceError, DeviceUnavailableError

_ANSWER_TIMEOUT_S = 5.0
_ATTACH_TIMEOUT_S = 15.0
_MAX_SERVICE_BYTES = 0xFFFF  # its length is sent as four hexadecimal digits
_READ_BYTES = 64 * 1024
_LINE = re.compile(
    r"(?P<serial>.*?)\s+(?P<state>no permissions.*?|device|unauthorized|offline|authorizing|connecting"
    r"|recovery|rescue|sideload|bootloader|host|detached|\S+)"
    r"(?P<tags>(?:\s+(?:usb|product|model|device|features|transport_id):\S+)*)\s*"
)


@dataclass(frozen=True)
class ServerDevice:
    """A device as the adb server lists it.

    Args:
        serial: as the server calls it.
        state: the server's word, such as ``device``, ``unauthorized``, ``offline``.
        tags: ``model``, ``usb`` and so on, where the server knows them.
    """

    serial: str
    state: str
    tags: dict[str, str] = field(default_factory=dict)

    def is_called(self, serial: str) -> bool:
        """Whether ``serial`` is the whole of this device's serial, or its port as ``usb:1-2.3``."""
        return serial == self.serial or ("usb" in self.tags and serial == f"usb:{self.tags['usb']}")


def list_server(host: str, port: int) -> list[ServerDevice] | None:
    """The devices of a running adb server; None where none runs. Never starts one.

    Raises:
        DeviceError: if what answers there is no adb server.
    """
    try:
        with _ask(host, port, "host:devices-l", Deadline(_ANSWER_TIMEOUT_S)) as answer:
            text = answer.read_string_block()
    except AdbConnectionError:
        return None
    except (AdbError, ValueError, OSError) as error:
        raise DeviceError(
            f"what answers at {host}:{port} is no adb server that works "
            f"({one_line(str(error), limit=120)}); run `adb kill-server` and `adb start-server`, "
            "or give the server's port"
        ) from None
    return [device for line in text.splitlines() if (device := parse_line(line)) is not None]


def parse_line(line: str) -> ServerDevice | None:
    """One line of the server's long list; None where it is none."""
    match = _LINE.fullmatch(line)
    if match is None or not match["serial"]:
        return None
    tags = dict(tag.split(":", 1) for tag in match["tags"].split())
    return ServerDevice(match["serial"], match["state"].strip(), tags)


def choose_server(devices: list[ServerDevice], serial: str | None) -> ServerDevice:
    """The one device called ``serial``, or the only one, ready for use.

    Raises:
        DeviceUnavailableError: if there is none, more than one, or it is not ready.
    """
    matches = [device for device in devices if serial is None or device.is_called(serial)]
    if not matches:
        others = ", ".join(repr(device.serial) for device in devices)
        hint = f"; it has {others} (serials must match whole)" if others else ""
        name = f"no device {serial!r}" if serial is not None else "no device"
        raise DeviceUnavailableError(f"the adb server has {name}{hint}: {faults.PLUG_IN}", reason="absent")
    if len(matches) > 1:
        places = " and ".join(_place(device) for device in matches)
        what = "devices" if serial is None else f"devices with serial {serial!r}"
        raise DeviceUnavailableError(
            f"the adb server has {len(matches)} {what}: {places}; give the serial of one, or its port "
            "as serial ('usb:1-2'), or unplug the others"
        )
    if matches[0].state not in ("device", "host"):
        raise server_state(matches[0])
    return matches[0]


def server_state(device: ServerDevice) -> DeviceError:
    """The error for a device that the server has, but not ready."""
    if device.state in ("recovery", "rescue", "sideload", "bootloader"):
        return DeviceUnavailableError(
            f"device {device.serial!r} is in {device.state} mode: start its normal system (`adb reboot`)",
            reason="offline",
        )
    known = ("unauthorized", "offline", "authorizing", "connecting", "no permissions")
    if device.state.startswith(known):
        state = "offline" if device.state == "connecting" else device.state
        return faults.server_refusal(state, device.serial, "connecting")
    return DeviceUnavailableError(
        f"device {device.serial!r} is in state {device.state!r} for the adb server: {faults.PLUG_IN}",
        reason="offline",
    )


def attach(target: str, *, host: str, port: int) -> None:
    """Have a running adb server connect to a device on TCP, if it has not.

    Args:
        target: the device's address, ``host:port``.
        host: where the server runs.
        port: its TCP port.
    """
    listed = [device for device in list_server(host, port) or [] if device.serial == target]
    if any(device.state != "offline" for device in listed):
        return
    for verb in ("disconnect", "connect") if listed else ("connect",):
        with (
            contextlib.suppress(AdbError, OSError, ValueError),  # the list says what came of it
            _ask(host, port, f"host:{verb}:{target}", Deadline(_ATTACH_TIMEOUT_S)) as answer,
        ):
            answer.read_string_block()


def connect_server(serial: str | None, *, host: str, port: int) -> ServiceConnection:
    """Connect to a device through a running adb server.

    Args:
        serial: the whole serial as the server lists it, or ``usb:`` and its port; None for the only device.
        host: where the server runs.
        port: its TCP port.

    Raises:
        DeviceUnavailableError: if no server runs or it does not have the device ready.
    """
    devices = list_server(host, port)
    if devices is None:
        raise DeviceUnavailableError(
            f"no adb server runs at {host}:{port}: `adb start-server` starts one; "
            "transports 'usb' and 'tcp' need none",
            reason="absent",
        )
    link = ServerLink(choose_server(devices, serial), host=host, port=port)
    link.read_features()
    return ServiceConnection(link)


class ServerLink:
    """A :class:`~fbsearch.devices.adb.link.services.ServiceLink` through the server, a socket per service.

    Args:
        device: as the server lists it.
        host: where the server runs.
        port: its TCP port.
    """

    def __init__(self, device: ServerDevice, *, host: str, port: int) -> None:
        has_twin = device.serial.startswith("(no serial")  # what adb writes for a device that has none
        self._target = f"usb:{device.tags['usb']}" if has_twin and "usb" in device.tags else device.serial
        self._serial = device.serial
        self._host = host
        self._port = port
        self._features: frozenset[str] = frozenset()
        self._is_open = True

    @property
    def serial(self) -> str:
        """As the server lists it."""
        return self._serial

    @property
    def transport(self) -> str:
        """``server``."""
        return "server"

    @property
    def features(self) -> frozenset[str]:
        """What server and device can do together."""
        return self._features

    @property
    def max_service_bytes(self) -> int:
        """What the server's protocol takes."""
        return _MAX_SERVICE_BYTES

    def read_features(self) -> None:
        """Ask the server what the device can do.

        Raises:
            DeviceError: if the server does not tell.
        """
        with faults.as_our_errors(self._serial, "asking for its features"), self._as_refusals("connecting"):
            command = f"host-serial:{self._target}:features"
            with _ask(self._host, self._port, command, Deadline(_ANSWER_TIMEOUT_S)) as answer:
                self._features = frozenset(answer.read_string_block().split(",")) - {""}

    def open(self, service: bytes, deadline: Deadline) -> SocketStream:
        """Start a service on the device, on a socket of its own."""
        if not self._is_open:
            raise EOFError("the connection is closed")
        doing = service.partition(b":")[0].decode()
        with _as_lost(), self._as_refusals(f"service '{doing}'"):
            command = f"host:transport:{self._target}"
            answer = _ask(self._host, self._port, command, deadline)
            try:
                answer.conn.settimeout(deadline.remaining())
                answer.conn.sendall(f"{len(service):04x}".encode() + service)
                answer.check_okay()
            except BaseException:
                answer.close()
                raise
        return SocketStream(answer.conn, deadline)

    def close(self) -> None:
        """End the link; each service has ended its own socket."""
        self._is_open = False

    @contextlib.contextmanager
    def _as_refusals(self, doing: str) -> Iterator[None]:
        """Turn adbutils' errors into ours, or into those of the system."""
        try:
            yield
        except AdbTimeout:
            raise TimeoutError("the adb server does not answer") from None
        except AdbConnectionError as error:
            raise EOFError(f"the adb server at {self._host}:{self._port} is gone: {error}") from None
        except (AdbError, ValueError) as error:
            if (
                "Unknown data" in str(error)
                or "connection closed" in str(error)
                or isinstance(error, ValueError)
            ):
                raise EOFError("the adb server closed the connection") from None
            raise faults.server_refusal(str(error), self._serial, doing) from None


@contextlib.contextmanager
def _as_lost() -> Iterator[None]:
    """On a link that stood, a device that is away for now is a link that was lost."""
    try:
        yield
    except DeviceUnavailableError as error:
        if not error.may_return:
            raise
        raise ConnectionLostError(str(error)) from error


class SocketStream:
    """A service whose bytes travel on a socket to the adb server.

    Args:
        link: the socket, after the server's OKAY.
        deadline: for everything that happens on it.
    """

    def __init__(self, link: socket.socket, deadline: Deadline) -> None:
        self._link = link
        self._deadline = deadline

    def read(self) -> bytes:
        """Wait for the next bytes; empty once the device has closed the stream."""
        self._link.settimeout(self._deadline.remaining())
        return self._link.recv(_READ_BYTES)

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._link.settimeout(self._deadline.remaining())
        self._link.sendall(data)

    def poll(self) -> bool:
        """Whether :meth:`read` would return at once."""
        poller = select.poll()
        poller.register(self._link, select.POLLIN)
        return bool(poller.poll(0))

    def close(self) -> None:
        """Hang up."""
        self._link.close()


class _Client(AdbClient):  # type: ignore[misc]
    """adbutils' client, which starts no server."""

    def make_connection(self, timeout: float | None = None) -> AdbConnection:
        return _Connection(self.host, self.port)


class _Connection(AdbConnection):  # type: ignore[misc]
    """adbutils' connection to a server that runs already."""

    def _safe_connect(self) -> socket.socket:
        link: socket.socket = self._create_socket()
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link


def _ask(host: str, port: int, command: str, deadline: Deadline) -> AdbConnection:
    """A connection on which the server has accepted ``command``."""
    encode(command)
    answer = _Client(host, port).make_connection()
    try:
        answer.conn.settimeout(deadline.remaining())
        answer.send_command(command)
        answer.check_okay()
    except BaseException:
        answer.close()
        raise
    return answer


def _place(device: ServerDevice) -> str:
    port = (
        f"usb:{device.tags['usb']}"
        if "usb" in device.tags
        else f"transport {device.tags.get('transport_id', '?')}"
    )
    return f"{device.serial!r} at {port} ({device.state})"
