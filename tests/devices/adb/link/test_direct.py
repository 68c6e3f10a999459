"""Straight to the device: the wire's traps, with a peer that says what it is told to."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fbsearch.devices.adb.link.direct import connect_tcp
from fbsearch.devices.adb.link.keys import AdbKey, load_key
from fbsearch.devices.adb.link.services import ServiceConnection
from fbsearch.errors import (
    ConnectionLostError,
    ConnectionTimeoutError,
    DeviceError,
    DeviceFullError,
    DeviceUnavailableError,
)
from tests.devices.adb.link.scripted_peer import Peer, packet, scripted_peer


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> AdbKey:
    return load_key(tmp_path_factory.mktemp("keys") / "adbkey", warn=pytest.fail)


@pytest.fixture
def connect(key: AdbKey) -> Callable[..., ServiceConnection]:
    def open_link(port: int, **options: object) -> ServiceConnection:
        settings = {"connect_timeout_s": 2, "notify": pytest.fail, **options}
        return connect_tcp("127.0.0.1", port, key, **settings)

    return open_link


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data


class TestHandshake:
    def test_a_request_for_tls_names_both_ways_out(self, connect):
        def wants_tls(peer: Peer) -> None:
            peer.receive()
            peer.send(b"STLS", 0x01000000, 0)

        with scripted_peer(wants_tls) as port, pytest.raises(DeviceUnavailableError) as caught:
            connect(port)
        assert "adb tcpip 5555" in str(caught.value)
        assert "adb pair" in str(caught.value)
        assert not caught.value.may_return

    def test_nobody_listens(self, connect):
        with scripted_peer() as port:
            pass
        with pytest.raises(DeviceUnavailableError, match="connection refused") as caught:
            connect(port)
        assert caught.value.may_return

    def test_another_protocol(self, connect):
        def is_a_web_server(peer: Peer) -> None:
            peer.receive()
            peer.link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with (
            scripted_peer(is_a_web_server) as port,
            pytest.raises(ConnectionLostError, match="does not speak ADB"),
        ):
            connect(port)

    def test_a_silent_peer(self, connect):
        with (
            scripted_peer(lambda peer: time.sleep(1)) as port,
            pytest.raises(DeviceUnavailableError, match="it does not answer"),
        ):
            connect(port, connect_timeout_s=0.3)

    def test_a_peer_that_hangs_up(self, connect):
        with (
            scripted_peer(lambda peer: None) as port,
            pytest.raises(DeviceUnavailableError, match=r"closed the conn|reset|broken pipe"),
        ):
            connect(port)

    def test_nobody_allows_this_computer(self, connect):
        told = []

        def asks(peer: Peer) -> None:
            peer.receive()
            peer.send(b"AUTH", 1, 0, bytes(20))
            peer.receive()
            peer.send(b"AUTH", 1, 0, bytes(20))
            command, kind, _, _ = peer.receive()
            assert (command, kind) == (b"AUTH", 3)
            time.sleep(1)

        with (
            scripted_peer(asks) as port,
            pytest.raises(DeviceUnavailableError, match="not authorised") as caught,
        ):
            connect(port, notify=told.append, auth_timeout_s=0.3)
        assert not caught.value.may_return
        assert len(told) == 1
        assert "look at its screen" in told[0]


class TestShell:
    def test_output_in_the_smallest_pieces(self, connect):
        def drips(peer: Peer) -> None:
            peer.greet()
            local, service = peer.accept()
            assert service == b"shell,v2,raw:echo hi"
            text = frame(1, "hé\r\n".encode()) + frame(2, b"oh\n") + frame(3, b"\x2a")
            for start in range(len(text)):
                peer.send(b"WRTE", 7, local, text[start : start + 1])
                assert peer.receive()[0] == b"OKAY"

        with scripted_peer(drips) as port:
            result = connect(port).shell("echo hi", timeout_s=5)
        assert (result.stdout, result.stderr, result.exit_code) == ("hé\n", "oh\n", 42)

    def test_an_older_device_reports_its_exit_code_behind_a_token(self, connect):
        def old(peer: Peer) -> None:
            peer.greet(banner=b"device::ro.product.model=Old;")
            local, service = peer.accept()
            assert service.startswith(b"shell:sh -c false 2>&1; echo ")
            trailer = service.rpartition(b"echo ")[2].removesuffix(b"$?")
            peer.send(b"WRTE", 7, local, b"__RC=9\r\n" + trailer + b"1\r\n")
            peer.receive()
            peer.send(b"CLSE", 7, local)

        with scripted_peer(old) as port:
            result = connect(port).shell("false", timeout_s=5)
        assert (result.stdout, result.exit_code) == ("__RC=9\n", 1)

    @pytest.mark.parametrize("banner", [b"device::features=shell_v2", b"device::"])
    def test_output_cut_off_before_the_exit_code(self, connect, banner):
        def cut(peer: Peer) -> None:
            peer.greet(banner=banner)
            local, _ = peer.accept()
            peer.send(b"WRTE", 7, local, frame(1, b"half a li"))
            peer.receive()
            peer.send(b"CLSE", 7, local)
            peer.receive()

        with scripted_peer(cut) as port, pytest.raises(ConnectionLostError, match=r"exit code|middle"):
            connect(port).shell("cat", timeout_s=5)

    def test_a_refused_service_is_an_error_at_once(self, connect):
        def refuses(peer: Peer) -> None:
            peer.greet()
            _, local, _, _ = peer.receive()
            peer.send(b"CLSE", 0, local)
            time.sleep(1)

        with scripted_peer(refuses) as port:
            connection = connect(port)
            start = time.monotonic()
            with pytest.raises(ConnectionLostError, match="refused running id"):
                connection.shell("id", timeout_s=30)
        assert time.monotonic() - start < 5

    def test_a_lost_link_is_noticed_at_once(self, connect):
        def vanishes(peer: Peer) -> None:
            peer.greet()
            peer.accept()

        with scripted_peer(vanishes) as port:
            connection = connect(port)
            start = time.monotonic()
            with pytest.raises(ConnectionLostError):
                connection.shell("sleep 100", timeout_s=30)
            with pytest.raises(ConnectionLostError, match="closed"):
                connection.shell("true", timeout_s=30)
        assert time.monotonic() - start < 5

    def test_a_hanging_command_leaves_the_connection_usable(self, connect):
        def hangs_once(peer: Peer) -> None:
            peer.greet()
            first, _ = peer.accept(remote=7)
            second, service = peer.accept(remote=8)
            assert service == b"shell,v2,raw:echo alive"
            peer.send(b"WRTE", 7, first, frame(1, b"late output"))  # of the stream that was given up
            for stream, text in ((second, b"alive\n"), (None, b"next\n")):
                if stream is None:
                    stream, _ = peer.accept(remote=8)
                peer.send(b"WRTE", 8, stream, frame(1, text) + frame(3, b"\0"))

        with scripted_peer(hangs_once) as port:
            connection = connect(port)
            with pytest.raises(ConnectionTimeoutError, match=r"benchmark_model did not end within 0\.2 s"):
                connection.shell("./benchmark_model --graph=x", timeout_s=0.2)
            assert connection.shell("echo next", timeout_s=5).stdout == "next\n"

    def test_a_packet_that_the_time_runs_out_in_is_still_read_whole(self, connect):
        def slow(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            whole = packet(b"WRTE", 7, local, frame(1, b"x" * 100))
            peer.link.sendall(whole[:10])
            time.sleep(0.5)
            peer.link.sendall(whole[10:])
            second, _ = peer.accept(remote=8)
            peer.send(b"WRTE", 8, second, frame(1, b"alive\n") + frame(3, b"\0"))

        with scripted_peer(slow) as port, pytest.raises(ConnectionTimeoutError):
            connect(port).shell("cat", timeout_s=0.2)

    def test_a_packet_that_never_ends_is_a_lost_link(self, connect, monkeypatch):
        monkeypatch.setattr("fbsearch.devices.adb.link.packets._PACKET_TIMEOUT_S", 0.3)

        def stuck(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            peer.link.sendall(packet(b"WRTE", 7, local, b"x" * 100)[:50])
            time.sleep(1)

        with scripted_peer(stuck) as port, pytest.raises(ConnectionLostError):
            connect(port).shell("cat", timeout_s=0.2)

    def test_packets_without_end_do_not_outlast_the_time(self, connect):
        def floods(peer: Peer) -> None:
            peer.greet()
            peer.accept()
            while True:
                peer.send(b"WRTE", 99, 99, b"x" * 1000)

        with scripted_peer(floods) as port:
            connection = connect(port)
            connection._probe_timeout_s = 0.3
            start = time.monotonic()
            with pytest.raises(ConnectionLostError):
                connection.shell("cat", timeout_s=0.3)
            connection.close()
        assert time.monotonic() - start < 5

    def test_a_wrong_check_sum(self, connect):
        def garbles(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            peer.send(b"WRTE", 7, local, b"abc", check=1)

        with scripted_peer(garbles) as port, pytest.raises(ConnectionLostError, match="garbled"):
            connect(port).shell("id", timeout_s=5)

    def test_a_command_longer_than_the_device_takes(self, connect):
        def idle(peer: Peer) -> None:
            peer.greet()
            peer.receive()

        with scripted_peer(idle) as port, pytest.raises(DeviceError, match="too long"):
            connect(port).shell("x" * 5000, timeout_s=5)


class TestPush:
    def test_a_refusal_before_the_last_piece_is_reported_with_its_reason(self, connect):
        def full(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            for _ in range(3):
                assert peer.receive()[0] == b"WRTE"
                peer.send(b"OKAY", 7, local)
            assert peer.receive()[0] == b"WRTE"
            reason = b"write failed: No space left on device"
            peer.send(b"WRTE", 7, local, struct.pack("<4sI", b"FAIL", len(reason)) + reason)
            peer.receive()
            peer.send(b"OKAY", 7, local)
            while peer.receive()[0] == b"WRTE":  # adbd reads on and throws away
                peer.send(b"OKAY", 7, local)

        with scripted_peer(full) as port, pytest.raises(DeviceFullError, match="No space left"):
            connect(port).push(bytes(1 << 20), "/data/local/tmp/x", timeout_s=5)

    def test_a_refusal_just_before_the_stream_closes(self, connect):
        def hangs_up(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            peer.receive()
            peer.send(b"WRTE", 7, local, struct.pack("<4sI", b"FAIL", 19) + b"Read-only file syst")
            peer.send(b"CLSE", 7, local)
            assert (peer.receive()[0], peer.receive()[0]) == (b"OKAY", b"CLSE")

        with scripted_peer(hangs_up) as port, pytest.raises(DeviceError, match="Read-only file syst"):
            connect(port).push(b"abc", "/system/x", timeout_s=5)

    def test_a_file_that_arrives_short(self, connect):
        def loses(peer: Peer) -> None:
            peer.greet()
            local, _ = peer.accept()
            for _ in range(3):
                peer.receive()
                peer.send(b"OKAY", 7, local)
            peer.send(b"WRTE", 7, local, struct.pack("<4sI", b"OKAY", 0))
            local, _ = peer.accept()
            peer.receive()
            peer.send(b"OKAY", 7, local)
            peer.send(b"WRTE", 7, local, struct.pack("<4sIII", b"STAT", 0o100644, 2, 0))
            peer.receive()

        with scripted_peer(loses) as port, pytest.raises(ConnectionLostError, match="2 of 3 bytes"):
            connect(port).push(b"abc", "/data/local/tmp/x", timeout_s=5)

    def test_no_such_file_here(self, connect, tmp_path: Path):
        def idle(peer: Peer) -> None:
            peer.greet()
            peer.receive()

        with scripted_peer(idle) as port, pytest.raises(DeviceError, match="cannot read the file to push"):
            connect(port).push(tmp_path / "absent", "/data/local/tmp/x")
