"""One process at a time measures on a phone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fbsearch.devices.adb.phone.lock import phone_lock
from fbsearch.errors import DeviceError
from tests.devices.adb.conftest import MakeDevice, list_ours
from tools.simulated_phone import SimulatedPhone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")

HOLDER = """
import sys
from fbsearch.devices.adb.phone.lock import phone_lock
with phone_lock(sys.argv[1], "other"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def holder(serial: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, serial], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_is_kept_out_until_the_first_ends_or_is_killed() -> None:
    for end in ("kill", "close"):
        process = holder("SERIAL")
        wanted = r"another fbsearch measures on device 'sim' \(SERIAL\) now: wait"
        with pytest.raises(DeviceError, match=wanted), phone_lock("SERIAL", "sim"):
            pytest.fail("two hold it")
        with phone_lock("SERIAL2", "sim"):  # another phone, though its serial begins alike
            pass
        if end == "kill":
            process.kill()
        process.communicate()
        with phone_lock("SERIAL", "sim"):
            pass


def test_a_phone_in_use_is_not_touched(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    process = holder(f"127.0.0.1:{pixel.port}")
    before = len(pixel.events.of("shell"))
    with pytest.raises(DeviceError, match="another fbsearch measures on device 'sim'"), runner.measuring():
        pytest.fail("two measure")
    process.communicate()
    assert len(pixel.events.of("shell")) == before and list_ours(pixel) == []
    with runner.measuring():
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match="cannot make a lock"), phone_lock("S", "sim"):
        pass
