"""Simulated phones to be devices, with nothing of this computer's user touched, and no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fbsearch.devices.adb.benchmark.launching import Launcher
from fbsearch.devices.adb.device.device import AdbDevice
from fbsearch.devices.adb.link import reconnecting
from fbsearch.devices.adb.link.keys import load_key
from fbsearch.devices.definition import AdbDefinition
from tools.simulated_phone import SimulatedPhone
from tools.simulated_phone.profile import Profile

BINARIES = Path("tools/simulated_phone").absolute()
OURS = "/data/local/tmp/fbsearch"

MakePhone = Callable[..., SimulatedPhone]
MakeDevice = Callable[..., AdbDevice]


@pytest.fixture(scope="session")
def adb_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: making a key takes long."""
    path = tmp_path_factory.mktemp("keys") / "adbkey"
    load_key(path, warn=lambda line: None)
    return path


@pytest.fixture(scope="module")
def shared_pixel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedPhone]:
    with SimulatedPhone(tmp_path_factory.mktemp("phone")) as phone:
        yield phone


@pytest.fixture
def pixel(shared_pixel: SimulatedPhone) -> SimulatedPhone:
    """A phone whose interpreter is loaded once per file; it must come back with nothing on it."""
    assert shared_pixel.faults.pending == [], "an earlier test left a fault"
    assert list_ours(shared_pixel) == [], "an earlier test left files"
    assert not shared_pixel.fixed_performance
    return shared_pixel


@pytest.fixture
def make_phone(tmp_path: Path) -> Iterator[MakePhone]:
    """Phones of a test's own."""
    phones: list[SimulatedPhone] = []

    def make(profile: str | Profile = "pixel", *, folder: str = "phone", **options: Any) -> SimulatedPhone:
        phone = SimulatedPhone(tmp_path / folder, profile=profile, **options).start()
        phones.append(phone)
        return phone

    yield make
    for phone in phones:
        phone.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts take no time; the list holds those between launches."""
    pauses: list[float] = []
    monkeypatch.setitem(Launcher.__init__.__kwdefaults__, "pause", pauses.append)
    monkeypatch.setattr(reconnecting, "_FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(reconnecting, "_MAX_DELAY_S", 0.1)
    return pauses


@pytest.fixture
def make_device(
    tmp_path: Path, adb_key: Path, at_once: list[float], monkeypatch: pytest.MonkeyPatch
) -> MakeDevice:
    """A phone as a device; fields of its definition can be given."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(phone: SimulatedPhone, **fields: Any) -> AdbDevice:
        settings = {
            "name": "sim",
            "address": f"127.0.0.1:{phone.port}",
            "transport": "tcp",
            "adb_key": adb_key,
            "binary": BINARIES / "benchmark_model",
            "onnxruntime_binary": BINARIES / "onnxruntime_perf_test",
            "warmup_ms": 1,
            "max_launch_s": 5,
            **fields,
        }
        return AdbDevice(AdbDefinition(**settings), notify=lambda line: None)

    return make


def list_ours(phone: SimulatedPhone) -> list[str]:
    """Names in the only folder that we may write to, with those within."""
    folder = phone.sandbox.to_host("/data/local/tmp")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
