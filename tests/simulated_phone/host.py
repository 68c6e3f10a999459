"""A host that speaks just enough ADB, packet by packet, to see what the simulated phone sends."""

from __future__ import annotations

import socket
import struct

from tools.simulated_phone import SimulatedPhone, wire
from tools.simulated_phone.wire import LinkClosedError, Packet

_FRAME = struct.Struct("<BI")
_MAX_DATA = 1 << 20


class Host:
    """A connection to a phone. Raises LinkClosedError when the phone ends it."""

    def __init__(self, phone: SimulatedPhone, *, version: int = wire.VERSION_WITHOUT_SUMS) -> None:
        self._version = version
        self._sock = socket.create_connection(("127.0.0.1", phone.port), timeout=10)
        self._next_id = 1
        self.banner = b""
        self.max_data = _MAX_DATA

    def connect(self) -> Host:
        """The handshake with a phone that lets everybody in."""
        answer = self.start()
        assert answer.command == wire.CNXN, answer
        return self

    def start(self) -> Packet:
        """Say hello; the phone's answer."""
        self.send(Packet(wire.CNXN, self._version, _MAX_DATA, b"host::test\0"))
        return self.receive()

    def send(self, packet: Packet) -> None:
        try:
            self._sock.sendall(packet.encoded(with_sum=True))
        except OSError as error:
            raise LinkClosedError(str(error)) from None

    def receive(self) -> Packet:
        packet = wire.read_packet(self._sock, max_data=_MAX_DATA, check_sum=False)
        if packet.command == wire.CNXN:
            self.banner, self.max_data = packet.data, packet.arg1
        return packet

    def wait_at_most(self, seconds: float) -> None:
        self._sock.settimeout(seconds)

    def open(self, service: str) -> HostStream:
        """Open a service; one stream at a time."""
        local = self._next_id
        self._next_id += 1
        self.send(Packet(wire.OPEN, local, 0, service.encode() + b"\0"))
        answer = self.receive()
        if answer.command == wire.CLSE:
            raise ConnectionRefusedError(service)
        return HostStream(self, local, answer.arg0)

    def shell(self, command: str) -> tuple[str, str, int]:
        """Run a command by shell v2: its output, its errors, its exit code."""
        content = self.open(f"shell,v2,raw:{command}").read_all()
        texts = {1: b"", 2: b"", 3: b""}
        while content:
            kind, length = _FRAME.unpack_from(content)
            texts[kind] += content[_FRAME.size : _FRAME.size + length]
            content = content[_FRAME.size + length :]
        assert texts[3], "no exit code came"
        return texts[1].decode(), texts[2].decode(), texts[3][0]

    def plain_shell(self, command: str) -> str:
        """Run a command by the old service: output and errors in one."""
        return self.open(f"shell:{command}").read_all().decode()

    def push(self, content: bytes, path: str, *, mode: int = 0o644, chunk: int = 65536) -> bytes:
        """Send a file; ``b"OKAY"``, or what the phone says is wrong."""
        stream = self.open("sync:")
        stream.write(_request(b"SEND", f"{path},{0o100000 | mode}".encode()))
        for start in range(0, len(content), chunk):
            stream.write(_request(b"DATA", content[start : start + chunk]))
        stream.write(struct.pack("<4sI", b"DONE", 0))
        name, length = struct.unpack("<4sI", stream.take(8))
        said = stream.take(length) if name == b"FAIL" else name
        stream.close()
        return bytes(said)

    def pull(self, path: str) -> bytes:
        """Get a file's content, or a FileNotFoundError with what the phone says."""
        stream = self.open("sync:")
        stream.write(_request(b"RECV", path.encode()))
        content = b""
        while True:
            name, length = struct.unpack("<4sI", stream.take(8))
            if name == b"DATA":
                content += stream.take(length)
            elif name == b"DONE":
                stream.close()
                return content
            else:
                raise FileNotFoundError(stream.take(length).decode())

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HostStream:
    """The host's end of one service."""

    def __init__(self, host: Host, local: int, remote: int) -> None:
        self._host = host
        self._local, self._remote = local, remote
        self._arrived = b""
        self.packets: list[int] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        """Send data, each packet after the one before was acknowledged."""
        step = self._host.max_data
        for start in range(0, len(data), step):
            self._host.send(Packet(wire.WRTE, self._local, self._remote, data[start : start + step]))
            while self._step() != wire.OKAY:
                if self.is_closed:
                    return

    def take(self, count: int) -> bytes:
        while len(self._arrived) < count:
            if self.is_closed:
                raise LinkClosedError("the phone closed the stream")
            self._step()
        taken, self._arrived = self._arrived[:count], self._arrived[count:]
        return taken

    def read_all(self) -> bytes:
        while not self.is_closed:
            self._step()
        taken, self._arrived = self._arrived, b""
        return taken

    def close(self) -> None:
        self._host.send(Packet(wire.CLSE, self._local, self._remote))
        while not self.is_closed:
            self._step()

    def _step(self) -> bytes:
        packet = self._host.receive()
        if packet.command == wire.WRTE:
            self._arrived += packet.data
            self.packets.append(len(packet.data))
            self._host.send(Packet(wire.OKAY, self._local, self._remote))
        elif packet.command == wire.CLSE:
            self.is_closed = True
        return packet.command


def _request(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content
