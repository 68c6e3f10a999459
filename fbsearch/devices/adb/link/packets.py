"""ADB packets to and from a device, with adb-shell's handshake.

adb-shell 0.4.4 gives each wait a limit of its own, where one deadline covers a call here; it throws away the
device's banner, which names its features, and calls a request for TLS "unknown command 1397511251".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Protocol

from adb_shell import constants
from adb_shell.adb_message import AdbMessage, checksum
from adb_shell.exceptions import (
    InvalidChecksumError,
    InvalidCommandError,
    InvalidResponseError,
)
from adb_shell.hidden_helpers import _AdbTransactionInfo

from fbsearch.devices.adb.link.adb_shell_parts import PacketIO, get_banner
from fbsearch.devices.adb.link.faults import SecureLinkWanted
from fbsearch.devices.adb.link.streams import Deadline
from fbsearch.devices.adb.link.transports import PacedTransport, SoundTcpTransport

_HEADER = struct.Struct("<6I")
_STLS = int.from_bytes(b"STLS", "little")
_MAX_PAYLOAD = 2 << 20
_MAX_WRITE = 256 << 10
_PACKET_TIMEOUT_S = 5.0  # for the rest of a packet that has begun
_UNLIMITED_S = 1e9  # adb-shell's own limits, all above ours

Packet = tuple[bytes, int, int, bytes]


class Signer(Protocol):
    """What the handshake needs of a key, under adb-shell's names."""

    def Sign(self, data: bytes) -> bytes: ...  # noqa: D102  # adb-shell's

    def GetPublicKey(self) -> bytes: ...  # noqa: D102  # adb-shell's


class PacketLink(PacketIO):  # type: ignore[misc]  # adb-shell comes without types
    """Packets to and from one device, over a transport with a deadline.

    Args:
        transport: how bytes travel.
    """

    def __init__(self, transport: SoundTcpTransport | PacedTransport) -> None:
        super().__init__(transport)
        self._link = transport
        self._next_id = 0
        self.properties: dict[str, str] = {}
        self.max_payload = 4096
        self.is_open = False

    @property
    def features(self) -> frozenset[str]:
        """What the device's daemon says that it can do."""
        return frozenset(self.properties.get("features", "").split(",")) - {""}

    def handshake(self, key: Signer | None, *, deadline: Deadline, ask: Callable[[], Deadline]) -> None:
        """Connect and authorise.

        Args:
            key: signs the device's token; None to come without one.
            deadline: for all but a person's answer.
            ask: called when the device does not know the key and shows a question on its screen;
                returns how long to wait for the answer.
        """

        def callback(_: object) -> None:
            self._link.deadline = ask()

        self._link.deadline = deadline
        info = _AdbTransactionInfo(None, None, _UNLIMITED_S, _UNLIMITED_S, None)
        _, max_payload = super().connect(
            bytes(get_banner()), [key] if key else [], _UNLIMITED_S, callback, info
        )
        self.max_payload = min(max(int(max_payload), 256), _MAX_WRITE)
        self.is_open = True

    def send_packet(
        self, command: bytes, local: int, remote: int, data: bytes, *, deadline: Deadline
    ) -> None:
        """Send one packet; one that could not be sent whole ends the link.

        A deadline that has passed lets it finish all the same, so that both sides stay in step.
        """
        self._link.deadline = deadline.at_least(_PACKET_TIMEOUT_S)
        try:
            self._send(AdbMessage(command, local, remote, data), _NO_LIMITS)
        except BaseException:
            self.shut()
            raise

    def receive_packet(self, *, deadline: Deadline) -> Packet:
        """The next packet: command, the device's stream id, ours, data.

        A timeout between two packets leaves the link in step; everything else that goes wrong ends it.
        """
        self._link.deadline = deadline
        packet: Packet = self._read_packet_from_device(_NO_LIMITS)
        return packet

    def new_id(self) -> int:
        """A stream id that this link has not used."""
        self._next_id += 1
        return self._next_id

    def shut(self) -> None:
        """End the link."""
        self.is_open = False
        self._link.close()

    def _read_packet_from_device(self, adb_info: Any) -> Packet:
        deadline = self._link.deadline
        head = bytearray()
        try:
            head += self._link.bulk_read(_HEADER.size, None)
            self._link.deadline = deadline.at_least(_PACKET_TIMEOUT_S)
            self._fill(head, _HEADER.size)
            command, arg0, arg1, length, check, magic = _HEADER.unpack(head)
            if command == _STLS:
                raise SecureLinkWanted
            name = constants.WIRE_TO_ID.get(command)
            if name is None or magic != command ^ 0xFFFFFFFF:
                raise InvalidCommandError(f"{bytes(head[:8])!r} is no ADB packet")
            if length > _MAX_PAYLOAD:
                raise InvalidResponseError(f"a packet of {length} bytes")
            data = bytearray()
            self._fill(data, length)
        except TimeoutError:
            if head:
                self.shut()
            raise
        except BaseException:
            self.shut()
            raise
        finally:
            self._link.deadline = deadline
        if check not in (0, checksum(data)):  # 0: not computed, as later protocol versions have it
            self.shut()
            raise InvalidChecksumError("a packet's check sum is wrong")
        if name == constants.CNXN:
            self.properties = parse_banner(bytes(data))
        return name, arg0, arg1, bytes(data)

    def _fill(self, buffer: bytearray, size: int) -> None:
        while len(buffer) < size:
            buffer += self._link.bulk_read(size - len(buffer), None)


_NO_LIMITS = _AdbTransactionInfo(None, None, _UNLIMITED_S, _UNLIMITED_S, None)


def parse_banner(banner: bytes) -> dict[str, str]:
    """The properties in a device's banner ``device::name=value;...;features=a,b``."""
    text = banner.rstrip(b"\0").decode("utf-8", errors="replace").partition("::")[2]
    return dict(field.split("=", 1) for field in text.split(";") if "=" in field)
