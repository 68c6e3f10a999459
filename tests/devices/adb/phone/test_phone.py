"""Files on their way to our folder on a phone, and nothing beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fbsearch.devices.adb.link.connection import Connection
from fbsearch.devices.adb.phone.phone import Phone, Upload
from fbsearch.errors import DeviceError, DeviceFullError
from tests.devices.adb.conftest import OURS, MakeDevice, MakePhone, list_ours
from tools.simulated_phone import Fault, SimulatedPhone

BIG = bytes(range(256)) * 1200


@pytest.fixture
def phone(pixel: SimulatedPhone, make_device: MakeDevice) -> Iterator[Phone]:
    with make_device(pixel).phone.connected() as phone:
        yield phone
        phone.remove_folder()


def pushed(phone: SimulatedPhone, since: int) -> list[str]:
    return [str(event.detail["path"]).rpartition("/")[2] for event in phone.events.of("push")[since:]]


def there(phone: SimulatedPhone, name: str) -> Path:
    return phone.sandbox.to_host(f"{OURS}/{name}")


def test_files_arrive_whole_with_their_modes(phone: Phone, pixel: SimulatedPhone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BIG)
    phone.upload({"a": Upload(tmp_path / "file", is_executable=True), "b": Upload(b"")})
    assert there(pixel, "a").read_bytes() == BIG and there(pixel, "b").read_bytes() == b""
    # adbd gives group and others what the user may.
    assert there(pixel, "a").stat().st_mode & 0o555 == 0o555
    assert there(pixel, "b").stat().st_mode & 0o111 == 0
    assert phone.pull("a") == BIG
    assert phone.has("a") and not phone.has("c")
    phone.remove("a", "c")
    assert list_ours(pixel) == ["fbsearch", "fbsearch/b"]


def test_what_is_there_whole_is_not_pushed_again_and_what_is_damaged_is(
    phone: Phone, pixel: SimulatedPhone
) -> None:
    files = {"a": Upload(b"aaaa"), "b": Upload(b"bbbb")}
    phone.upload(files)
    before = len(pixel.events.of("push"))
    phone.upload(files)
    assert pushed(pixel, before) == []
    there(pixel, "b").write_bytes(b"bbbx")  # of the same size
    phone.upload({**files, "c": Upload(b"c")})
    assert pushed(pixel, before) == ["b", "c"]
    assert there(pixel, "b").read_bytes() == b"bbbb"


def test_without_a_tool_for_hashes_sizes_have_to_do(phone: Phone, pixel: SimulatedPhone) -> None:
    before = len(pixel.events.of("shell"))
    phone.upload({"a": Upload(BIG)}, can_hash=False)
    assert there(pixel, "a").read_bytes() == BIG
    assert not any("sha256sum" in str(e.detail["command"]) for e in pixel.events.of("shell")[before:])


def test_a_file_that_is_cut_short_on_its_way_is_pushed_again(phone: Phone, pixel: SimulatedPhone) -> None:
    pixel.inject(Fault("short_push", at="push", times=2))
    phone.upload({"a": Upload(BIG)})
    assert there(pixel, "a").read_bytes() == BIG
    assert pixel.faults.pending == []


class Damaging:
    """A connection that turns a bit of every file, for a while."""

    def __init__(self, connection: Connection, times: int) -> None:
        self._connection = connection
        self.times = times
        self.serial, self.shell = connection.serial, connection.shell

    def push(self, content: bytes, remote: str, *, mode: int = 0o644) -> None:
        self.times -= 1
        damaged = content if self.times < 0 else bytes([content[0] ^ 1]) + content[1:]
        self._connection.push(damaged, remote, mode=mode)


def test_a_file_that_arrives_damaged_is_pushed_again_once(phone: Phone, pixel: SimulatedPhone) -> None:
    connection = Damaging(phone._connection, times=1)
    Phone(connection, folder=OURS).upload({"a": Upload(BIG)})  # type: ignore[arg-type]
    assert there(pixel, "a").read_bytes() == BIG
    connection.times = 2
    with pytest.raises(DeviceError, match=r"/b arrived damaged on device '127.*' twice: try another cable"):
        Phone(connection, folder=OURS).upload({"b": Upload(BIG)})  # type: ignore[arg-type]


def test_a_full_phone_is_named_with_what_is_needed(phone: Phone, pixel: SimulatedPhone) -> None:
    phone.upload({"small": Upload(b"1")})
    pixel.inject(Fault("disk_full", at="push"))
    with pytest.raises(DeviceFullError, match=r"no space is left on .* 300 KiB are needed: free some"):
        phone.upload({"a": Upload(BIG)})
    pixel.inject(Fault("disk_full", at="push"))
    with pytest.raises(DeviceFullError):
        phone.upload({"a": Upload(BIG)}, can_hash=False)
    phone.upload({"a": Upload(BIG)})  # once there is room again
    assert there(pixel, "a").read_bytes() == BIG


def test_a_folder_that_may_not_be_written(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    with (
        make_device(pixel, folder="/system/fbsearch").phone.connected() as phone,
        pytest.raises(DeviceError, match=r"/system/fbsearch.*Permission denied"),
    ):
        phone.upload({"a": Upload(b"1")})


def test_a_folder_that_cannot_be_made(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    blocked = pixel.sandbox.to_host("/data/local/tmp/fbsearch-in-the-way")
    blocked.write_text("a file")
    with (
        make_device(pixel, folder="/data/local/tmp/fbsearch-in-the-way").phone.connected() as phone,
        pytest.raises(DeviceError, match=r"cannot make .*-in-the-way: .*exists; give another 'folder'"),
    ):
        phone.upload({"a": Upload(b"1")})
    blocked.unlink()


def test_many_files_on_a_board_with_small_packets(make_phone: MakePhone, make_device: MakeDevice) -> None:
    """A command must fit into a packet of 4 KiB there, however many names it is about."""
    board = make_phone("board")
    contents = {f"{hashlib.sha256(bytes([i])).hexdigest()[:16]}.tflite": bytes([i]) for i in range(230)}
    folder = board.sandbox.to_host("/tmp/fbsearch")
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    missing = next(reversed(contents))
    (folder / missing).unlink()
    with make_device(board, folder="/tmp/fbsearch").phone.connected() as phone:
        phone.upload({name: Upload(content) for name, content in contents.items()})
    assert pushed(board, 0) == [missing]


def test_only_our_folder_is_removed(phone: Phone, pixel: SimulatedPhone) -> None:
    beside = pixel.sandbox.to_host("/data/local/tmp/fbsearch2")
    beside.mkdir()
    (beside / "theirs").write_text("kept")
    phone.upload({"a": Upload(b"1")})
    phone.remove_folder()
    assert list_ours(pixel) == ["fbsearch2", "fbsearch2/theirs"]
    (beside / "theirs").unlink()
    beside.rmdir()


def test_a_file_to_upload_that_is_not_here(phone: Phone, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nowhere: cannot be read: No such file"):
        phone.upload({"a": Upload(tmp_path / "nowhere")})


def test_an_answer_that_is_cut_short_is_no_reading(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut:
        serial = "cut"

        def shell(self, command: str, *, timeout_s: float):
            whole = phone.shell(command)
            return type(whole)(whole.stdout[: len(whole.stdout) // 2], "", 0)

    cut = Phone(Cut(), folder=OURS)  # type: ignore[arg-type]
    for read in (cut.readings, cut.conditions):
        with pytest.raises(DeviceError, match="'cut' did not finish its answer; run again"):
            read()
