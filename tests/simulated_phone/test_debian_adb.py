"""The proof: Debian's official ``adb`` client takes the simulated phone for a phone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.simulated_phone import Fault, SimulatedPhone

ADB = shutil.which("adb")
pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(ADB is None, reason="no adb on this machine: apt-get install adb"),
]

Adb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    """Debian's client with a server of its own, keys of its own, and nothing of the user's."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {**os.environ, "HOME": str(home), "ADB_MDNS": "0", "ANDROID_ADB_SERVER_PORT": port}

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ADB), *arguments], capture_output=True, text=True, env=environment, input=stdin, timeout=60
        )

    yield run
    run("kill-server")


@pytest.fixture(params=["pixel", "old_phone", "board"])
def serial(request: pytest.FixtureRequest, tmp_path: Path, adb: Adb) -> Iterator[str]:
    with SimulatedPhone(tmp_path / "phone", profile=request.param) as phone:
        serial = f"127.0.0.1:{phone.port}"
        assert adb("connect", serial).stdout == f"connected to {serial}\n"
        yield serial
        adb("disconnect", serial)


def test_devices(adb: Adb, serial: str) -> None:
    assert f"{serial}\tdevice\n" in adb("devices").stdout
    assert adb("-s", serial, "get-state").stdout == "device\n"


def test_shell(adb: Adb, serial: str, request: pytest.FixtureRequest) -> None:
    answer = adb("-s", serial, "shell", "echo out; echo err >&2; exit 7")
    if request.node.callspec.params["serial"] == "pixel":
        assert (answer.stdout, answer.stderr, answer.returncode) == ("out\n", "err\n", 7)
    else:  # without shell v2, adb has no exit code either
        assert (answer.stdout.split(), answer.returncode) == (["out", "err"], 0)


def test_shell_reads_standard_input(adb: Adb, serial: str) -> None:
    script = "echo from stdin\nls -d /data/local/tmp\nexit\n"
    assert adb("-s", serial, "shell", stdin=script).stdout.split() == ["from", "stdin", "/data/local/tmp"]


def test_ten_megabytes_there_and_back(adb: Adb, serial: str, tmp_path: Path) -> None:
    content = os.urandom(10_000_000)
    (tmp_path / "sent").write_bytes(content)
    remote = "/data/local/tmp/folder/sent"
    assert adb("-s", serial, "push", str(tmp_path / "sent"), remote).returncode == 0
    assert adb("-s", serial, "shell", f"wc -c < {remote}").stdout.strip() == "10000000"
    assert adb("-s", serial, "pull", remote, str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == content


def test_folders(adb: Adb, serial: str, tmp_path: Path) -> None:
    (tmp_path / "folder/sub").mkdir(parents=True)
    (tmp_path / "folder/sub/file").write_text("text")
    assert adb("-s", serial, "push", str(tmp_path / "folder"), "/data/local/tmp/").returncode == 0
    assert adb("-s", serial, "pull", "/data/local/tmp/folder", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back/sub/file").read_text() == "text"


def test_what_is_refused(adb: Adb, serial: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    pushed = adb("-s", serial, "push", str(tmp_path / "file"), "/system/file")
    assert pushed.returncode == 1
    assert "Permission denied" in pushed.stdout + pushed.stderr
    assert adb("-s", serial, "pull", "/data/local/tmp/none", str(tmp_path / "none")).returncode == 1


def test_a_new_key_waits_for_its_owner(adb: Adb, tmp_path: Path) -> None:
    with SimulatedPhone(tmp_path, authorised=[]) as phone:
        serial = f"127.0.0.1:{phone.port}"
        assert "failed to authenticate" in adb("connect", serial).stdout
        assert f"{serial}\tunauthorized\n" in adb("devices").stdout
        phone.approve()
        assert adb("-s", serial, "shell", "echo in").stdout == "in\n"
        adb("disconnect", serial)


def test_faults_as_adb_sees_them(adb: Adb, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    with SimulatedPhone(tmp_path / "phone") as phone:
        serial = f"127.0.0.1:{phone.port}"
        adb("connect", serial)
        phone.inject(Fault("disk_full", at="push"))
        full = adb("-s", serial, "push", str(tmp_path / "file"), "/data/local/tmp/file")
        assert "No space left on device" in full.stdout + full.stderr
        phone.inject(Fault("cable_pulled", at="push", seconds=0.3))
        assert adb("-s", serial, "push", str(tmp_path / "file"), "/data/local/tmp/file").returncode == 1
        assert "refused" in adb("connect", serial).stdout or not phone.events.of("listening")
        phone.events.wait_for("listening")
        adb("disconnect", serial)
        assert f"connected to {serial}" in adb("connect", serial).stdout
        assert adb("-s", serial, "shell", "exit 5").returncode == 5
        adb("disconnect", serial)


def test_a_phone_of_its_own_process(adb: Adb, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.simulated_phone", "--folder", str(tmp_path / "p"), "--no-auth"]
    log = tmp_path / "log"
    with subprocess.Popen([*command, "--log", str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        serial = process.stdout.readline().split()[3].rstrip(",")
        assert adb("connect", serial).stdout == f"connected to {serial}\n"
        binary = "tools/simulated_phone/benchmark_model"
        adb("-s", serial, "push", binary, "tests/devices/data/tiny.tflite", "/data/local/tmp/")
        run = "cd /data/local/tmp && ./benchmark_model --graph=tiny.tflite --min_secs=0.01"
        answer = adb("-s", serial, "shell", run)
        assert answer.returncode == 0
        assert answer.stdout.count("INFO: count=") == 2
        process.terminate()
        assert process.wait(timeout=10) == 0
    adb("disconnect", serial)
    assert '"kind": "launch"' in log.read_text()
