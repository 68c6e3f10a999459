"""The simulated phone's file transfer."""

import os
import struct
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import Fault, SimulatedPhone
from tools.simulated_phone.wire import LinkClosedError

FILE = "/data/local/tmp/folder/file"


@pytest.mark.parametrize("profile", ["pixel", "old_phone", "board"])
@pytest.mark.parametrize("size", [0, 1, 65536, 300_001])
def test_what_is_pushed_comes_back(tmp_path: Path, profile: str, size: int) -> None:
    content = os.urandom(size)
    with SimulatedPhone(tmp_path, profile=profile) as phone, Host(phone) as host:
        host.connect()
        assert host.push(content, FILE) == b"OKAY"
        assert host.pull(FILE) == content
        assert phone.events.of("push")[0].detail == {"path": FILE, "bytes": size}


def test_data_may_be_cut_anywhere(tmp_path: Path) -> None:
    content = os.urandom(5000)
    with SimulatedPhone(tmp_path, fragment_bytes=11) as phone, Host(phone) as host:
        host.connect()
        assert host.push(content, FILE, chunk=13) == b"OKAY"
        assert host.pull(FILE) == content


def test_modes_are_copied_from_the_user(phone: SimulatedPhone, host: Host) -> None:
    host.push(b"x", FILE, mode=0o700)
    assert phone.sandbox.to_host(FILE).stat().st_mode & 0o777 == 0o777
    host.push(b"x", FILE, mode=0o644)
    assert phone.sandbox.to_host(FILE).stat().st_mode & 0o777 == 0o666


def test_stat(host: Host) -> None:
    host.push(b"12345", FILE)
    assert stat(host, FILE)[:2] == (0o100666, 5)
    assert stat(host, "/data/local/tmp/none") == (0, 0, 0)


def test_stat_v2(host: Host) -> None:
    host.push(b"12345", FILE)
    stream = host.open("sync:")
    for path, error, size in ((FILE, 0, 5), ("/none", 2, 0)):
        stream.write(struct.pack("<4sI", b"STA2", len(path)) + path.encode())
        name, *fields = struct.unpack("<4sIQQIIIIQqqq", stream.take(72))
        assert (name, fields[0], fields[7]) == (b"STA2", error, size)


def test_list(host: Host) -> None:
    host.push(b"12345", FILE)
    stream = host.open("sync:")
    stream.write(struct.pack("<4sI", b"LIST", 22) + b"/data/local/tmp/folder")
    entries = {}
    while True:
        name, _mode, size, _mtime, length = struct.unpack("<4sIIII", stream.take(20))
        if name == b"DONE":
            break
        entries[stream.take(length)] = size
    assert set(entries) == {b".", b"..", b"file"}
    assert entries[b"file"] == 5
    stream.write(struct.pack("<4sI", b"LIST", 5) + b"/none")
    assert struct.unpack("<4sIIII", stream.take(20))[0] == b"DONE"


def test_a_file_that_is_not_there(host: Host) -> None:
    with pytest.raises(FileNotFoundError, match="open failed: No such file"):
        host.pull("/data/local/tmp/none")


def test_the_shell_user_may_not_write_everywhere(host: Host) -> None:
    assert host.push(b"x" * 200_000, "/system/bin/x") == b"couldn't create file: Permission denied"


def test_quit_and_nonsense_end_the_stream(host: Host) -> None:
    for request in (struct.pack("<4sI", b"QUIT", 0), struct.pack("<4sI", b"NONE", 0)):
        stream = host.open("sync:")
        stream.write(request)
        stream.read_all()
        assert stream.is_closed


def test_a_full_disk(phone: SimulatedPhone, host: Host) -> None:
    phone.inject(Fault("disk_full", at="push", after=1))
    phone.inject(Fault("disk_full", at="shell", after=0))
    assert host.push(b"x" * 100_000, FILE) == b"OKAY"
    assert host.push(b"x" * 300_000, FILE) == b"write failed: No space left on device"
    assert host.push(b"x", FILE) == b"OKAY"
    _, said, code = host.shell("echo x > /data/local/tmp/y && echo written")
    assert code != 0
    assert "No space left on device" in said


def test_a_short_push_is_said_to_be_fine(phone: SimulatedPhone, host: Host) -> None:
    phone.inject(Fault("short_push", at="push"))
    assert host.push(b"x" * 1000, FILE) == b"OKAY"
    assert stat(host, FILE)[1] == 500


@pytest.mark.parametrize("kind", ["cable_pulled", "adbd_killed", "rebooting"])
def test_a_link_that_breaks_within_a_file(phone: SimulatedPhone, host: Host, kind: str) -> None:
    host.push(b"y" * 500_000, "/data/local/tmp/other")
    phone.inject(Fault(kind, at="push", seconds=0.05))
    with pytest.raises(LinkClosedError):
        host.push(os.urandom(500_000), FILE)
    assert phone.sandbox.to_host(FILE).stat().st_size < 500_000
    phone.events.wait_for("listening")
    phone.inject(Fault(kind, at="pull", seconds=0.05))
    with Host(phone) as again, pytest.raises(LinkClosedError):
        again.connect().pull("/data/local/tmp/other")


def stat(host: Host, path: str) -> tuple[int, int, int]:
    stream = host.open("sync:")
    stream.write(struct.pack("<4sI", b"STAT", len(path)) + path.encode())
    name, *fields = struct.unpack("<4sIII", stream.take(16))
    assert name == b"STAT"
    stream.close()
    return tuple(fields) if not fields[0] else (fields[0], fields[1], fields[2])
