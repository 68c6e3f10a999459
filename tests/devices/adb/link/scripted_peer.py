"""A TCP peer that says exactly what a test tells it to, for what no sound daemon would say."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

_HEADER = struct.Struct("<6I")
BANNER = b"device::ro.product.model=Test;features=shell_v2,cmd"


def packet(command: bytes, arg0: int, arg1: int, data: bytes = b"", *, check: int | None = None) -> bytes:
    """One packet as it travels."""
    word = int.from_bytes(command, "little")
    check = sum(data) if check is None else check
    return _HEADER.pack(word, arg0, arg1, len(data), check, word ^ 0xFFFFFFFF) + data


class Peer:
    """The peer's end of one connection."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def receive(self) -> tuple[bytes, int, int, bytes]:
        command, arg0, arg1, length, _, _ = _HEADER.unpack(self._exactly(_HEADER.size))
        return command.to_bytes(4, "little"), arg0, arg1, self._exactly(length)

    def send(
        self, command: bytes, arg0: int, arg1: int, data: bytes = b"", *, check: int | None = None
    ) -> None:
        self.link.sendall(packet(command, arg0, arg1, data, check=check))

    def greet(self, *, banner: bytes = BANNER, max_data: int = 4096) -> None:
        assert self.receive()[0] == b"CNXN"
        self.send(b"CNXN", 0x01000000, max_data, banner)

    def accept(self, remote: int = 7) -> tuple[int, bytes]:
        """Take the next OPEN; the host's stream id and the service."""
        command, local, _, service = self.receive()
        while command != b"OPEN":
            command, local, _, service = self.receive()
        self.send(b"OKAY", remote, local)
        return local, service.rstrip(b"\0")

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.link.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data


@contextlib.contextmanager
def scripted_peer(*scripts: Callable[[Peer], None]) -> Iterator[int]:
    """Listen, and run one script per connection, in order; afterwards the connection closes.

    Yields:
        The TCP port.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for script in scripts:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link, contextlib.suppress(EOFError, OSError):
                script(Peer(link))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)
