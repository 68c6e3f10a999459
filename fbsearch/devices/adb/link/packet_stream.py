"""One stream of ADB packets, at whose other end a service of the device listens.

Each side may have one packet under way that the other has not acknowledged. What arrives while an
acknowledgement is awaited is kept, and a stream that the device refuses is an error at once: adb-shell 0.4.4
loses the first and waits for the second in vain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from adb_shell import constants

from fbsearch.devices.adb.link.faults import ServiceRefused
from fbsearch.devices.adb.link.packets import PacketLink
from fbsearch.devices.adb.link.streams import Deadline

_CLOSE_TIMEOUT_S = 2.0
# A USB transfer whose length is a multiple of the packet size (512 or 1024 bytes) ends only with an empty
# packet, which adb-shell does not send: no payload is as long as that.
_USB_PACKET = 512


class PacketStream:
    """One stream of a packet link: a :class:`~fbsearch.devices.adb.link.streams.Stream`.

    Args:
        link: the link.
        service: its name for the device, such as ``sync:``.
        deadline: for everything that happens on the stream.

    Raises:
        ServiceRefused: if the device does not offer the service.
    """

    def __init__(self, link: PacketLink, service: bytes, deadline: Deadline) -> None:
        self._link = link
        self._deadline = deadline
        self._local = link.new_id()
        self._remote = 0
        self._received = bytearray()
        self._num_unacknowledged = 0
        self._is_closed = False
        link.send_packet(constants.OPEN, self._local, 0, _unaligned(service + b"\0"), deadline=deadline)
        self._num_unacknowledged += 1
        while self._num_unacknowledged and not self._is_closed:
            self._receive()
        if self._is_closed and not self._remote:
            raise ServiceRefused

    def read(self) -> bytes:
        """Wait for the next bytes; empty once the device has closed the stream."""
        while not self._received and not self._is_closed:
            self._receive()
        data = bytes(self._received)
        self._received.clear()
        return data

    def write(self, data: bytes) -> None:
        """Send all of ``data``, each packet acknowledged before the next; what arrives meanwhile is kept."""
        for piece in _pieces(data, self._link.max_payload):
            if self._is_closed:
                raise EOFError("the device closed the stream")
            self._deadline.remaining()
            self._link.send_packet(constants.WRTE, self._local, self._remote, piece, deadline=self._deadline)
            self._num_unacknowledged += 1
            while self._num_unacknowledged and not self._is_closed:
                self._receive()

    def poll(self) -> bool:
        """Whether :meth:`read` would return at once."""
        return bool(self._received) or self._is_closed

    def close(self) -> None:
        """End the service, without waiting; what it still sends is dropped."""
        if self._is_closed or not self._link.is_open:
            return
        self._is_closed = True
        with contextlib.suppress(Exception):  # it ended the link, as the next call will say
            self._link.send_packet(
                constants.CLSE, self._local, self._remote, b"", deadline=Deadline(_CLOSE_TIMEOUT_S)
            )

    def _receive(self) -> None:
        command, remote, local, data = self._link.receive_packet(deadline=self._deadline)
        if command in (constants.CNXN, constants.AUTH):
            self._link.shut()
            raise EOFError("the device started anew")
        if local != self._local:
            return  # of a stream that was given up
        if command == constants.OKAY:
            self._remote = self._remote or remote
            self._num_unacknowledged = 0
        elif command == constants.WRTE:
            self._received += data
            self._acknowledge(remote)
        elif command == constants.CLSE:
            self._is_closed = True
            if self._remote:
                self._answer(constants.CLSE, remote)

    def _acknowledge(self, remote: int) -> None:
        self._answer(constants.OKAY, remote)

    def _answer(self, command: bytes, remote: int) -> None:
        self._link.send_packet(command, self._local, remote, b"", deadline=self._deadline)


def _unaligned(service: bytes) -> bytes:
    """A service name whose length is no multiple of a USB packet; adbd strips NULs at its end."""
    return service + b"\0" if len(service) % _USB_PACKET == 0 else service


def _pieces(data: bytes, limit: int) -> Sequence[bytes]:
    """``data`` cut to payloads of at most ``limit`` bytes, none a multiple of a USB packet long."""
    size = limit if limit % _USB_PACKET else limit - 1
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    if pieces and len(pieces[-1]) % _USB_PACKET == 0:
        last = pieces.pop()
        pieces += [last[:-1], last[-1:]]
    return pieces
