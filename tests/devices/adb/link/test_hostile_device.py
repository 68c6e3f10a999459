"""Whatever a device sends, a connection answers with our errors, on one line, and in time."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import pytest
from adb_shell.transport.base_transport import BaseTransport
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fbsearch.devices.adb.link.direct import DirectLink
from fbsearch.devices.adb.link.keys import AdbKey, load_key
from fbsearch.devices.adb.link.packets import PacketLink
from fbsearch.devices.adb.link.quoting import one_line
from fbsearch.devices.adb.link.services import ServiceConnection
from fbsearch.devices.adb.link.streams import Deadline
from fbsearch.errors import DeviceError
from tests.devices.adb.link.scripted_peer import BANNER, packet

COMMANDS = st.sampled_from(
    [b"OKAY", b"WRTE", b"CLSE", b"CNXN", b"AUTH", b"OPEN", b"SYNC", b"STLS", b"\0\0\0\0"]
)
NUMBERS = st.sampled_from([0, 1, 2, 7, 99, 2**32 - 1])
SYNC = st.builds(
    lambda name, size, rest: struct.pack("<4sI", name, size) + rest,
    st.sampled_from([b"OKAY", b"FAIL", b"DATA", b"DONE", b"STAT", b"DENT", b"\xff\xff\xff\xff"]),
    st.sampled_from([0, 1, 5, 64, 1 << 20, 2**32 - 1]),
    st.binary(max_size=70),
)
FRAMES = st.builds(
    lambda kind, size, rest: struct.pack("<BI", kind, size) + rest,
    st.integers(0, 255),
    st.sampled_from([0, 1, 5, 64, 2**32 - 1]),
    st.binary(max_size=70),
)
PAYLOADS = st.binary(max_size=80) | SYNC | FRAMES | st.lists(SYNC | FRAMES, max_size=4).map(b"".join)
PACKETS = st.builds(packet, COMMANDS, NUMBERS, NUMBERS, PAYLOADS, check=st.none() | st.just(1))
SENSIBLE = st.builds(
    packet,
    st.sampled_from([b"OKAY", b"WRTE", b"CLSE"]),
    st.just(7),
    st.integers(1, 3),
    PAYLOADS,
    check=st.none(),
)


class Memory(BaseTransport):
    """A device whose every word is known beforehand."""

    def __init__(self, words: bytes) -> None:
        self.deadline = Deadline(0)
        self._words = words
        self._at = 0

    def connect(self, transport_timeout_s: float) -> None:
        pass

    def close(self) -> None:
        pass

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        data = self._words[self._at : self._at + numbytes]
        self._at += len(data)
        if not data:
            raise EOFError("said everything")
        return data

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        return len(data)


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> AdbKey:
    return load_key(tmp_path_factory.mktemp("keys") / "adbkey", warn=pytest.fail)


def speak(key: AdbKey, words: bytes) -> ServiceConnection:
    link = DirectLink(PacketLink(Memory(words)), serial="evil", transport="tcp")
    link.connect(key, notify=lambda _: None, auth_timeout_s=1, connect_timeout_s=1)
    return ServiceConnection(link, probe_timeout_s=1)


def use(connection: ServiceConnection) -> None:
    """Call everything once; each call works or ends in one of our errors."""
    for call in (
        lambda: connection.shell("id", timeout_s=1),
        lambda: connection.push(b"x" * 200_000, "/data/local/tmp/x", timeout_s=1),
        lambda: connection.pull("/data/local/tmp/x", timeout_s=1),
    ):
        with contextlib.suppress(DeviceError), checked():
            call()


@contextlib.contextmanager
def checked() -> Iterator[None]:
    """Look at the message of one of our errors on its way."""
    try:
        yield
    except DeviceError as error:
        check_message(error)
        raise


def check_message(error: DeviceError) -> None:
    text = str(error)
    assert text
    assert text.isprintable(), text
    assert len(text) < 900


class TestHostileDevice:
    @settings(max_examples=400)
    @given(st.lists(PACKETS | SENSIBLE, max_size=8).map(b"".join) | st.binary(max_size=300))
    def test_after_a_sound_greeting(self, key, words):
        use(speak(key, packet(b"CNXN", 0x01000000, 4096, BANNER) + words))

    @settings(max_examples=400)
    @given(first=PAYLOADS, second=st.lists(SENSIBLE, max_size=6).map(b"".join), has_frames=st.booleans())
    def test_in_an_open_stream(self, key, first, second, has_frames):
        banner = BANNER if has_frames else b"device::"
        opened = packet(b"OKAY", 7, 1) + packet(b"WRTE", 7, 1, first) + second
        use(speak(key, packet(b"CNXN", 0x01000000, 4096, banner) + opened))

    @settings(max_examples=400)
    @given(st.lists(PACKETS, max_size=5).map(b"".join) | st.binary(max_size=200))
    @example(packet(b"CNXN", 0, 0, b"\xff" * 40))
    @example(packet(b"CNXN", 2**32 - 1, 2**32 - 1, b"device::=;;==;features"))
    @example(packet(b"AUTH", 1, 0, b"short"))
    @example(packet(b"AUTH", 9, 0, bytes(20)))
    @example(packet(b"AUTH", 1, 0, bytes(20)) * 2 + packet(b"AUTH", 1, 0))
    def test_instead_of_a_greeting(self, key, words):
        try:
            connection = speak(key, words)
        except DeviceError as error:
            check_message(error)
        else:
            use(connection)


@given(st.text())
def test_one_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200
