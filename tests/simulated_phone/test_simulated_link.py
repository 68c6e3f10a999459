"""The simulated adbd's packets and streams."""

import base64
import hashlib
import struct
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import SimulatedPhone, wire
from tools.simulated_phone.wire import LinkClosedError, Packet

rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")


def test_tells_what_it_is(phone: SimulatedPhone, host: Host) -> None:
    assert host.banner.startswith(b"device::ro.product.name=cheetah;")
    assert b"features=shell_v2,cmd" in host.banner


def test_old_hosts_get_sums(phone: SimulatedPhone) -> None:
    with Host(phone, version=wire.VERSION_WITH_SUMS) as host:
        host.connect()
        assert host.shell("echo hello") == ("hello\n", "", 0)


def test_a_service_that_it_does_not_have_is_refused(phone: SimulatedPhone, host: Host) -> None:
    with pytest.raises(ConnectionRefusedError):
        host.open("framebuffer:")
    assert host.shell("echo alive")[0] == "alive\n"
    assert phone.events.of("refused")[0].detail == {"service": "framebuffer:"}


def test_wrong_magic_ends_the_connection(phone: SimulatedPhone, host: Host) -> None:
    host._sock.sendall(b"OPEN" + bytes(20))
    with pytest.raises(LinkClosedError):
        host.receive()


def test_too_long_a_packet_ends_the_connection(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, profile="board") as phone, Host(phone) as host:
        host.connect()
        with pytest.raises(LinkClosedError):
            host.send(Packet(wire.OPEN, 1, 0, b"shell:" + b"x" * 5000))
            host.receive()


def test_two_streams_at_a_time(phone: SimulatedPhone, host: Host) -> None:
    slow = host.open("shell:cat")
    assert host.shell("echo quick")[0] == "quick\n"
    host.send(Packet(wire.WRTE, slow._local, slow._remote, b"late\n"))
    assert slow.take(5) == b"late\n"
    slow.close()


def test_packets_are_no_longer_than_wanted(tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, fragment_bytes=7) as phone, Host(phone) as host:
        host.connect()
        stream = host.open("shell:echo 123456789012345678901234567890")
        assert stream.read_all() == b"123456789012345678901234567890\n"
        assert max(stream.packets) == 7


class Key:
    """A host's RSA key in ADB's forms."""

    def __init__(self) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
        self._n, self._e, self._d = private.public_numbers.n, private.public_numbers.e, private.d

    def public_text(self) -> str:
        n, words = self._n, 64
        n0inv = (-pow(n, -1, 1 << 32)) % (1 << 32)
        rr = pow(1 << 2048, 2, n)
        packed = struct.pack("<II", words, n0inv) + n.to_bytes(256, "little") + rr.to_bytes(256, "little")
        return base64.b64encode(packed + struct.pack("<I", self._e)).decode() + " me@here"

    def sign(self, token: bytes) -> bytes:
        tail = bytes.fromhex("003021300906052b0e03021a05000414") + token
        padded = b"\0\1" + b"\xff" * (254 - len(tail)) + tail
        return pow(int.from_bytes(padded, "big"), self._d, self._n).to_bytes(256, "big")


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


def signed(host: Host, key: Key, token: bytes) -> Packet:
    host.send(Packet(wire.AUTH, wire.AUTH_SIGNATURE, 0, key.sign(token)))
    return host.receive()


def test_a_known_key_is_let_in(tmp_path: Path, key: Key) -> None:
    with SimulatedPhone(tmp_path, authorised=[key.public_text()]) as phone, Host(phone) as host:
        asked = host.start()
        assert (asked.command, asked.arg0, len(asked.data)) == (wire.AUTH, wire.AUTH_TOKEN, 20)
        assert signed(host, key, asked.data).command == wire.CNXN
        assert host.shell("true")[2] == 0


def test_a_signature_of_something_else_is_refused(tmp_path: Path, key: Key) -> None:
    with SimulatedPhone(tmp_path, authorised=[key.public_text()]) as phone, Host(phone) as host:
        host.start()
        again = signed(host, key, hashlib.sha1(b"another token").digest())
        assert (again.command, again.arg0) == (wire.AUTH, wire.AUTH_TOKEN)
        assert phone.events.of("signature_refused")


def test_a_new_key_waits_for_approval(tmp_path: Path, key: Key) -> None:
    with SimulatedPhone(tmp_path, authorised=[], approve_after_s=0.05) as phone:
        with Host(phone) as host:
            asked = host.start()
            assert signed(host, key, asked.data).command == wire.AUTH
            host.send(Packet(wire.AUTH, wire.AUTH_PUBLIC_KEY, 0, key.public_text().encode() + b"\0"))
            assert host.receive().command == wire.CNXN
        assert phone.events.of("key_approved")
        with Host(phone) as host:  # and is known from then on
            assert signed(host, key, host.start().data).command == wire.CNXN


def test_nobody_approves(tmp_path: Path, key: Key) -> None:
    with SimulatedPhone(tmp_path, authorised=[]) as phone, Host(phone) as host:
        host.start()
        host.send(Packet(wire.AUTH, wire.AUTH_PUBLIC_KEY, 0, key.public_text().encode() + b"\0"))
        phone.events.wait_for("key_offered")
        host.send(Packet(wire.OPEN, 1, 0, b"shell:echo in\0"))
        host.wait_at_most(0.2)
        with pytest.raises(LinkClosedError, match="timed out"):
            host.receive()


@pytest.mark.parametrize("text", ["", "no base64 at all", base64.b64encode(b"short").decode()])
def test_a_malformed_key_lets_nobody_in(tmp_path: Path, key: Key, text: str) -> None:
    with SimulatedPhone(tmp_path, authorised=[text]) as phone, Host(phone) as host:
        assert signed(host, key, host.start().data).command == wire.AUTH
