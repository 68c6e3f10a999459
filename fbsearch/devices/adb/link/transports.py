"""How bytes travel to a device: adb-shell's TCP and USB transports, with one deadline for a call.

adb-shell 0.4.4's TCP socket sends part of a buffer and drops the rest, and reads of a closed one spin.
"""

from __future__ import annotations

import socket

from adb_shell.exceptions import UsbReadFailedError
from adb_shell.transport.base_transport import BaseTransport
from adb_shell.transport.tcp_transport import TcpTransport

from fbsearch.devices.adb.link.faults import usb_name
from fbsearch.devices.adb.link.streams import Deadline


class SoundTcpTransport(TcpTransport):  # type: ignore[misc]
    """A TCP link that sends everything, reports a closed peer and keeps one deadline.

    Args:
        host: name or address of the device.
        port: its TCP port.
        send_buffer: size of the socket's send buffer in bytes; None leaves the system's.
    """

    def __init__(self, host: str, port: int, *, send_buffer: int | None = None) -> None:
        super().__init__(host, port)
        self.deadline = Deadline(0)
        self._send_buffer = send_buffer

    def connect(self, transport_timeout_s: float | None) -> None:
        """Open the socket; small packets leave at once."""
        try:
            link = socket.create_connection((self._host, self._port), timeout=self.deadline.remaining())
        except (ValueError, OverflowError) as error:  # no host name at all, no port at all
            raise OSError(f"not an address: {error}") from None
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._send_buffer is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        self._connection = link

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        """Up to ``numbytes`` bytes, at least one.

        Raises:
            EOFError: if the peer has closed the link.
        """
        link = self._open_link()
        link.settimeout(self.deadline.remaining())
        data = link.recv(numbytes)
        if not data:
            raise EOFError("the device closed the connection")
        return bytes(data)

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        """Send all of ``data``."""
        link = self._open_link()
        link.settimeout(self.deadline.remaining())
        link.sendall(data)
        return len(data)

    def _open_link(self) -> socket.socket:
        if self._connection is None:
            raise EOFError("the connection is closed")
        link: socket.socket = self._connection
        return link


class PacedTransport(BaseTransport):  # type: ignore[misc]
    """Another transport under one deadline for a call, as USB needs it.

    Args:
        inner: an adb-shell transport that takes a timeout with each call.
    """

    def __init__(self, inner: BaseTransport) -> None:
        self._inner = inner
        self.deadline = Deadline(0)

    def connect(self, transport_timeout_s: float | None) -> None:
        """Open the inner transport."""
        self._inner.connect(self.deadline.remaining())

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        """Up to ``numbytes`` bytes."""
        try:
            return bytes(self._inner.bulk_read(numbytes, self._left()))
        except UsbReadFailedError as error:
            if usb_name(error) == "USBErrorTimeout" and not getattr(error.usb_error, "received", b""):
                raise TimeoutError("nothing arrived over USB") from None
            raise

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        """Send all of ``data``."""
        sent = 0
        while sent < len(data):
            sent += self._inner.bulk_write(data[sent:], self._left())
        return sent

    def _left(self) -> float:
        return max(self.deadline.remaining(), 0.001)  # libusb takes 0 ms for "wait for ever"
