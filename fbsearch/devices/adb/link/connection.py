"""What a connection to a device that speaks ADB offers, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fbsearch.devices.definition import ADB_PORT, SERVER_PORT

TransportName = Literal["auto", "usb", "tcp", "server"]


@dataclass(frozen=True)
class ShellResult:
    """What a command on the device printed, and how it ended.

    Args:
        stdout: decoded as UTF-8, what is none replaced, lines ending in a newline only. Where the
            device cannot separate the two, it holds stderr too.
        stderr: decoded likewise.
        exit_code: 0 to 255; a shell reports a signal n as 128 + n.
    """

    stdout: str
    stderr: str
    exit_code: int


MAX_PULL_BYTES = 64 << 20
"""Of a file that is fetched where nobody says otherwise: results and outputs take far less."""


@dataclass(frozen=True)
class AdbAddress:
    """Where a device is, as a device file or a command line says it.

    Args:
        serial: as ``adb devices`` shows it; it must match as a whole. None where only one device is attached.
        host: name or IP address of a device that listens on TCP (``adb tcpip 5555``).
        port: its TCP port.
        transport: how to reach it; ``auto`` takes a running adb server that has the device ready, else
            TCP where a host is given, else USB.
        server_host: where the adb server runs.
        server_port: its TCP port.
        key: private RSA key; None for ``~/.android/adbkey``, which is created if absent.
        auth_timeout_s: how long to wait for a person to allow this computer on the device's screen.
    """

    serial: str | None = None
    host: str | None = None
    port: int = ADB_PORT
    transport: TransportName = "auto"
    server_host: str = "127.0.0.1"
    server_port: int = SERVER_PORT
    key: Path | None = None
    auth_timeout_s: float = 60


class Connection(Protocol):
    """An open link to one device; for one thread at a time.

    Its methods raise nothing but :class:`~fbsearch.errors.DeviceError` and classes below it.
    """

    @property
    def serial(self) -> str:
        """The device's name as ``adb devices`` shows it; over TCP ``host:port``."""
        ...

    @property
    def transport(self) -> str:
        """``usb``, ``tcp`` or ``server``."""
        ...

    def shell(self, command: str, *, timeout_s: float) -> ShellResult:
        """Run a shell command and wait for its end.

        Args:
            command: complete shell text, already quoted.
            timeout_s: for the whole call, silence included.

        Raises:
            ConnectionTimeoutError: if the command outlives its time although the device answers.
            ConnectionLostError: if the link breaks.
        """
        ...

    def push(self, content: Path | bytes, remote: str, *, mode: int = 0o644, timeout_s: float = 120) -> None:
        """Write a file on the device; its size there was compared when this returns.

        Raises:
            DeviceFullError: if no space is left.
            DeviceError: if the device refuses the file.
            ConnectionLostError: if the link breaks or the file arrives truncated.
        """
        ...

    def pull(self, remote: str, *, max_bytes: int = MAX_PULL_BYTES, timeout_s: float = 60) -> bytes:
        """The content of a file on the device.

        Raises:
            DeviceError: if it cannot be read there, or is larger than ``max_bytes``.
            ConnectionLostError: if the link breaks.
        """
        ...

    def close(self) -> None:
        """End the connection; it is of no use afterwards."""
        ...
