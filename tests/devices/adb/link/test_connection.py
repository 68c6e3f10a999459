"""What every connection keeps, straight over TCP or through an adb server, to a new phone or an old board."""

from __future__ import annotations

import hashlib
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fbsearch.devices.adb.link.connection import Connection
from fbsearch.devices.adb.link.direct import connect_tcp
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.adb.link.quoting import quote
from fbsearch.devices.adb.link.server import attach, connect_server
from fbsearch.errors import ConnectionLostError, ConnectionTimeoutError, DeviceError, DeviceFullError
from tests.devices.adb.link.adb_server import adb_server
from tools.simulated_phone.faults import Fault
from tools.simulated_phone.phone import SimulatedPhone

FOLDER = "/data/local/tmp"
BIG = hashlib.shake_256(b"a model").digest(10 << 20)


@pytest.fixture(
    scope="module", params=["tcp-pixel", "tcp-pixel-in-pieces", "tcp-board", "server-pixel", "server-board"]
)
def linked(request, tmp_path_factory):
    """A phone and a connection to it."""
    way, _, profile = request.param.partition("-")
    profile, _, pieces = profile.partition("-")
    folder = tmp_path_factory.mktemp(request.param)
    with SimulatedPhone(folder / "phone", profile=profile, fragment_bytes=1777 if pieces else None) as phone:
        if way == "tcp":
            key = load_key(folder / "adbkey", warn=pytest.fail)
            link = connect_tcp("127.0.0.1", phone.port, key, notify=pytest.fail, send_buffer=16 << 10)
            yield phone, link
            link.close()
            return
        if shutil.which("adb") is None:
            pytest.skip("needs the adb client: apt install adb")
        with adb_server(folder) as server:
            target = f"127.0.0.1:{phone.port}"
            attach(target, host="127.0.0.1", port=server.port)
            server.wait_for(target, "device")
            yield phone, connect_server(target, host="127.0.0.1", port=server.port)


@pytest.fixture
def phone(linked) -> SimulatedPhone:
    return linked[0]


@pytest.fixture
def link(linked) -> Connection:
    return linked[1]


class TestShell:
    def test_output_and_exit_code(self, link):
        result = link.shell("echo out; echo err >&2; exit 3", timeout_s=10)
        assert result.exit_code == 3
        assert "out\n" in result.stdout
        assert "err\n" in result.stdout + result.stderr

    @pytest.mark.parametrize(
        ("command", "code"), [("true", 0), ("exit 255", 255), ("kill -9 $$", 137), ("(", 2)]
    )
    def test_exit_codes(self, link, command, code):
        assert link.shell(command, timeout_s=10).exit_code == code

    @pytest.mark.parametrize("text", ["", "no newline", "a\n\n", "__RC=1\n", "é\n", "\t"])
    def test_output_is_exact(self, link, text):
        result = link.shell(f"printf %s {quote(text)}", timeout_s=10)
        assert (result.stdout, result.exit_code) == (text, 0)

    def test_long_output(self, link):
        assert len(link.shell("seq 1 30000", timeout_s=30).stdout.split()) == 30000

    def test_bytes_that_are_no_text(self, link):
        assert "\ufffd" in link.shell(r"printf '\377\376'", timeout_s=10).stdout

    def test_a_comment_and_a_here_document(self, link):
        result = link.shell("cat <<END # a comment\nline\nEND\nfalse # the end", timeout_s=10)
        assert (result.stdout, result.exit_code) == ("line\n", 1)

    def test_silence_longer_than_the_library_tolerates_is_only_up_to_the_timeout(self, link):
        start = time.monotonic()
        with pytest.raises(ConnectionTimeoutError, match=r"^sleep did not end within 0\.5 s"):
            link.shell("sleep 60", timeout_s=0.5)
        assert time.monotonic() - start < 10
        assert link.shell("echo still there", timeout_s=10).stdout == "still there\n"

    def test_a_command_that_timed_out_is_hung_up_on(self, link, phone):
        before = set(phone.process_ids())
        with pytest.raises(ConnectionTimeoutError):
            link.shell("exec sleep 61", timeout_s=0.3)
        end = time.monotonic() + 5
        while time.monotonic() < end and set(phone.process_ids()) - before:
            time.sleep(0.05)
        assert set(phone.process_ids()) <= before

    def test_endless_output_is_bounded_by_time(self, link):
        for milliseconds in range(300, 340, 4):  # whatever is under way when the time is over
            with pytest.raises(ConnectionTimeoutError):
                link.shell("while :; do echo y; done", timeout_s=milliseconds / 1000)

    @pytest.mark.parametrize("command", ["a\0b", "echo \ud800"])
    def test_commands_that_no_shell_can_take(self, link, command):
        with pytest.raises(DeviceError):
            link.shell(command, timeout_s=10)

    def test_a_command_longer_than_a_packet(self, link):
        with pytest.raises(DeviceError, match="too long"):
            link.shell(f"printf %s {'x' * 350_000}", timeout_s=10)
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        texts=st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20),
            min_size=1,
            max_size=5,
        )
    )
    def test_hostile_arguments_arrive_as_they_are(self, link, texts):
        command = "printf '<%s>' " + " ".join(quote(text) for text in texts)
        result = link.shell(command, timeout_s=10)
        plain = "".join(f"<{text}>" for text in texts)
        assert result.exit_code == 0
        assert result.stdout == plain


class TestFiles:
    def test_ten_megabytes_arrive_intact(self, link, tmp_path):
        (tmp_path / "big").write_bytes(BIG)
        link.push(tmp_path / "big", f"{FOLDER}/big", mode=0o755)
        assert (
            link.shell(f"sha256sum {FOLDER}/big", timeout_s=20).stdout.split()[0]
            == hashlib.sha256(BIG).hexdigest()
        )
        assert link.pull(f"{FOLDER}/big") == BIG
        assert link.shell(f"test -x {FOLDER}/big", timeout_s=10).exit_code == 0

    @pytest.mark.parametrize(
        "size", [0, 1, 56, 504, 4087, 4088, 65016, 65528, 65535, 65536, 65537, 262136, 262144]
    )
    def test_every_size_arrives(self, link, size):
        link.push(BIG[:size], f"{FOLDER}/some")
        assert link.pull(f"{FOLDER}/some") == BIG[:size]

    def test_a_folder_is_made_for_a_file(self, link):
        link.push(b"x", f"{FOLDER}/new/deep/file")
        assert link.pull(f"{FOLDER}/new/deep/file") == b"x"

    def test_names_with_everything_in_them(self, link):
        remote = f"{FOLDER}/it's a $(touch owned) `name`, 5; é"
        link.push(b"x", remote)
        assert link.pull(remote) == b"x"
        assert "owned" not in link.shell(f"ls {FOLDER}", timeout_s=10).stdout.split()

    def test_a_missing_file(self, link):
        with pytest.raises(DeviceError, match="No such file"):
            link.pull(f"{FOLDER}/absent")
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    def test_a_file_that_is_larger_than_it_may_be(self, link):
        link.push(BIG[:100_000], f"{FOLDER}/some")
        assert link.pull(f"{FOLDER}/some", max_bytes=100_000) == BIG[:100_000]
        with pytest.raises(
            DeviceError, match=r"pulling \S+/some: the file is larger than 99999 bytes"
        ) as caught:
            link.pull(f"{FOLDER}/some", max_bytes=99_999)
        assert not isinstance(caught.value, ConnectionLostError)
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    def test_a_file_without_an_end(self, link, phone):
        phone.sandbox.to_host(FOLDER).mkdir(parents=True, exist_ok=True)
        with phone.sandbox.to_host(f"{FOLDER}/endless").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(DeviceError, match="larger than 4194304 bytes"):
            link.pull(f"{FOLDER}/endless", max_bytes=4 << 20)
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    def test_a_place_that_is_not_ours(self, link):
        with pytest.raises(DeviceError, match="refused pushing /nowhere/x"):
            link.push(BIG, "/nowhere/x")
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    def test_a_full_disk(self, link, phone):
        phone.inject(Fault("disk_full", at="push"))
        with pytest.raises(DeviceFullError, match="No space left"):
            link.push(BIG, f"{FOLDER}/big")
        assert link.shell("echo ok", timeout_s=10).stdout == "ok\n"

    def test_a_push_that_arrives_short(self, link, phone):
        phone.inject(Fault("short_push", at="push"))
        with pytest.raises(ConnectionLostError, match=r"of 10485760 bytes"):
            link.push(BIG, f"{FOLDER}/big")

    @pytest.mark.parametrize("remote", ["relative", "/a\0b", "/" + "x" * 2000, "/\ud800"])
    def test_paths_that_are_refused_here(self, link, remote):
        with pytest.raises(DeviceError):
            link.push(b"x", remote)
        with pytest.raises(DeviceError):
            link.pull(remote)
