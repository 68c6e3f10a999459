"""One host's connection to the simulated adbd: handshake, then streams over one socket."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from tools.simulated_phone import wire
from tools.simulated_phone.authentication import TOKEN_BYTES, KeyRing
from tools.simulated_phone.events import EventLog
from tools.simulated_phone.faults import Fault, FaultPlan
from tools.simulated_phone.profile import Profile
from tools.simulated_phone.wire import LinkClosedError, Packet

Service = Callable[["Stream"], None]


class Stream:
    """One service that the host opened: bytes both ways, one unacknowledged packet per direction."""

    def __init__(self, link: Link, local: int, remote: int) -> None:
        self.link = link
        self._local = local
        self._remote = remote
        self._arrived: SimpleQueue[bytes | None] = SimpleQueue()
        self._may_send = threading.Event()
        self._may_send.set()
        self._is_closed = threading.Event()

    def receive(self) -> bytes:
        """The next chunk from the host, acknowledged; empty once the stream is closed."""
        data = self._arrived.get()
        if data is None:
            self._arrived.put(None)  # for whoever asks next
            return b""
        with contextlib.suppress(LinkClosedError):
            self.link.send(Packet(wire.OKAY, self._local, self._remote))
        return data

    def send(self, data: bytes) -> None:
        """Send data in as many packets as it needs, each after the one before was acknowledged.

        Raises:
            LinkClosedError: if the host closed the stream or the connection.
        """
        step = self.link.packet_bytes
        for start in range(0, len(data), step):
            self._may_send.wait()
            if self._is_closed.is_set():
                raise LinkClosedError("the host closed the stream")
            self._may_send.clear()
            self.link.send(Packet(wire.WRTE, self._local, self._remote, data[start : start + step]))

    def close(self) -> None:
        """Tell the host that nothing more comes, after it acknowledged what came."""
        if not self._is_closed.is_set():
            self._may_send.wait()
        self._finish()

    @property
    def is_closed(self) -> bool:
        """Whether either side ended the stream."""
        return self._is_closed.is_set()

    def on_packet(self, packet: Packet) -> None:
        """Take a packet that the link's reader found to be for this stream; never blocks."""
        if packet.command == wire.WRTE:
            self._arrived.put(packet.data)
        elif packet.command == wire.OKAY:
            self._remote = packet.arg0
            self._may_send.set()
        elif packet.command == wire.CLSE:
            self._finish()

    def on_link_closed(self) -> None:
        """Wake whoever waits on this stream."""
        self._is_closed.set()
        self._may_send.set()
        self._arrived.put(None)

    def _finish(self) -> None:
        is_first = not self._is_closed.is_set()
        self.on_link_closed()
        if is_first:
            self.link.forget(self._local)
            with contextlib.suppress(LinkClosedError):
                self.link.send(Packet(wire.CLSE, self._local, self._remote))


class Daemon(Protocol):
    """What a host's connection asks of the adbd that accepted it.

    Args:
        profile: kind of phone.
        fragment_bytes: most bytes per packet, below what was agreed; None sets no bound.
        events: what happened.
        faults: what is to go wrong.
        keys: of the hosts to let in; None lets every host in.
    """

    profile: Profile
    fragment_bytes: int | None
    events: EventLog
    faults: FaultPlan
    keys: KeyRing | None

    def banner(self) -> bytes:
        """What adbd tells about itself in its first packet."""
        ...

    def service(self, name: str, link: Link) -> Service | None:
        """What answers to a service's name, or None where adbd refuses it."""
        ...

    def key_offered(self, link: Link) -> None:
        """A host that no key opened the door for shows its public key."""
        ...

    def link_closed(self, link: Link) -> None:
        """A link is gone."""
        ...

    def strike(self, fault: Fault, link: Link | None) -> None:
        """Make a fault happen now, to the phone or to the link on which it was met."""
        ...


class Link:
    """A host's connection, from the first packet to the last."""

    def __init__(self, sock: socket.socket, daemon: Daemon) -> None:
        self._sock = sock
        self._daemon = daemon
        self._send_lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._streams_lock = threading.Lock()
        self._next_id = 1
        self._version = daemon.profile.protocol_version
        self._max_data = wire.MAX_DATA_BEFORE_CONNECTED
        self._token = b""
        self._silent_until_s = 0.0
        self.is_connected = False
        self.offered_key: str | None = None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def packet_bytes(self) -> int:
        """The most data that one packet to this host may carry."""
        return min(self._max_data, self._daemon.fragment_bytes or self._max_data)

    def serve(self) -> None:
        """Answer the host until it leaves."""
        try:
            while True:
                packet = wire.read_packet(
                    self._sock,
                    max_data=self._daemon.profile.max_data,
                    check_sum=self.is_connected and self._version == wire.VERSION_WITH_SUMS,
                )
                self._wait_while_silent()
                self._answer(packet)
        except LinkClosedError as error:
            self._daemon.events.append("disconnected", why=str(error))
        finally:
            self.close()

    def send(self, packet: Packet) -> None:
        """Send one packet, or raise LinkClosedError."""
        self._wait_while_silent()
        encoded = packet.encoded(with_sum=not self.is_connected or self._version == wire.VERSION_WITH_SUMS)
        try:
            with self._send_lock:
                self._sock.sendall(encoded)
        except OSError as error:
            raise LinkClosedError(str(error)) from None

    def forget(self, local: int) -> None:
        """Drop a finished stream."""
        with self._streams_lock:
            self._streams.pop(local, None)

    def be_silent(self, seconds: float) -> None:
        """Neither read nor write for a while, with the socket left open."""
        self._silent_until_s = time.monotonic() + seconds

    def reset(self) -> None:
        """Break the connection so that the host sees a reset, whatever was under way."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection and every stream on it."""
        with contextlib.suppress(OSError):
            # Wakes this link's reader; with a linger time of zero the close that follows resets all the same.
            self._sock.shutdown(socket.SHUT_RD)
        self._sock.close()
        with self._streams_lock:
            streams = list(self._streams.values())
            self._streams.clear()
        for stream in streams:
            stream.on_link_closed()
        self._daemon.link_closed(self)

    def welcome(self) -> None:
        """Tell the host that it is connected."""
        self.send(Packet(wire.CNXN, self._version, self._daemon.profile.max_data, self._daemon.banner()))
        self.is_connected = True
        self._daemon.events.append("connected", version=self._version, max_data=self._max_data)

    def _wait_while_silent(self) -> None:
        while (left_s := self._silent_until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.05))

    def _answer(self, packet: Packet) -> None:
        if packet.command == wire.CNXN:
            self._on_connect(packet)
        elif packet.command == wire.AUTH:
            self._on_auth(packet)
        elif not self.is_connected:
            return  # adbd ignores everything else before the host is known
        elif packet.command == wire.OPEN:
            self._on_open(packet)
        else:
            with self._streams_lock:
                stream = self._streams.get(packet.arg1)
            if stream is not None:
                stream.on_packet(packet)

    def _on_connect(self, packet: Packet) -> None:
        for fault in self._daemon.faults.take("connect"):
            self._daemon.strike(fault, self)
        self._version = min(packet.arg0, self._daemon.profile.protocol_version)
        self._max_data = min(packet.arg1, self._daemon.profile.max_data)
        if self._daemon.keys is None:
            self.welcome()
        else:
            self._ask_for_signature()

    def _ask_for_signature(self) -> None:
        self._token = os.urandom(TOKEN_BYTES)
        self.send(Packet(wire.AUTH, wire.AUTH_TOKEN, 0, self._token))

    def _on_auth(self, packet: Packet) -> None:
        keys = self._daemon.keys
        if keys is None or self.is_connected:
            return
        if packet.arg0 == wire.AUTH_SIGNATURE:
            if keys.accepts(self._token, packet.data):
                self.welcome()
            else:
                self._daemon.events.append("signature_refused")
                self._ask_for_signature()
        elif packet.arg0 == wire.AUTH_PUBLIC_KEY:
            self.offered_key = packet.data.decode("ascii", errors="replace").rstrip("\0")
            self._daemon.key_offered(self)

    def _on_open(self, packet: Packet) -> None:
        name = packet.data.rstrip(b"\0").decode("utf-8", errors="surrogateescape")
        service = self._daemon.service(name, self)
        if service is None:
            self._daemon.events.append("refused", service=name)
            self.send(Packet(wire.CLSE, 0, packet.arg0))
            return
        with self._streams_lock:
            local = self._next_id
            self._next_id += 1
            stream = self._streams[local] = Stream(self, local, packet.arg0)
        self.send(Packet(wire.OKAY, local, packet.arg0))
        threading.Thread(target=self._run, args=(service, stream), name=name[:30], daemon=True).start()

    def _run(self, service: Service, stream: Stream) -> None:
        with contextlib.suppress(LinkClosedError):
            service(stream)
        with contextlib.suppress(LinkClosedError):
            stream.close()
