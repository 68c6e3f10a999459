"""ADB's packets: six little-endian words, then data."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

CNXN, AUTH, OPEN, OKAY, WRTE, CLSE, STLS = b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE", b"STLS"
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3

VERSION_WITH_SUMS = 0x01000000
VERSION_WITHOUT_SUMS = 0x01000001
MAX_DATA_BEFORE_CONNECTED = 4096

_HEADER = struct.Struct("<4sIIIII")


class LinkClosedError(Exception):
    """The connection to the host is gone, or has to go because the host broke the protocol."""


@dataclass(frozen=True)
class Packet:
    """One packet: a command of four letters, two arguments whose meaning it decides, data."""

    command: bytes
    arg0: int
    arg1: int
    data: bytes = b""

    def encoded(self, *, with_sum: bool) -> bytes:
        """The packet as it goes over the wire; hosts of the older protocol version verify the sum."""
        total = sum(self.data) & 0xFFFFFFFF if with_sum else 0
        magic = int.from_bytes(self.command, "little") ^ 0xFFFFFFFF
        return _HEADER.pack(self.command, self.arg0, self.arg1, len(self.data), total, magic) + self.data


def read_packet(sock: socket.socket, *, max_data: int, check_sum: bool) -> Packet:
    """Read one packet.

    Raises:
        LinkClosedError: at the end of the stream, or if the packet is malformed as adbd judges it:
            wrong magic, or more data than was agreed.
    """
    header = read_exactly(sock, _HEADER.size)
    command, arg0, arg1, length, total, magic = _HEADER.unpack(header)
    if magic != int.from_bytes(command, "little") ^ 0xFFFFFFFF:
        raise LinkClosedError(f"bad magic in packet {command!r}")
    if length > max_data:
        raise LinkClosedError(f"packet {command!r} of {length} bytes, at most {max_data} were agreed")
    data = read_exactly(sock, length)
    if check_sum and sum(data) & 0xFFFFFFFF != total:
        raise LinkClosedError(f"wrong sum in packet {command!r}")
    return Packet(command, arg0, arg1, data)


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes, or raise LinkClosedError."""
    content = bytearray(count)
    view = memoryview(content)
    while view:
        try:
            received = sock.recv_into(view)
        except OSError as error:
            raise LinkClosedError(str(error)) from None
        if received == 0:
            raise LinkClosedError("the host closed the connection")
        view = view[received:]
    return bytes(content)
