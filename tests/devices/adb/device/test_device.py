"""A phone or board as a device: what it tells, what it offers, and which of two it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbsearch.errors import DeviceError
from tests.devices.adb.conftest import OURS, MakeDevice, MakePhone, list_ours
from tools.simulated_phone import Fault, SimulatedPhone

TINY = Path("tests/devices/data/tiny.tflite")


def test_a_phone_describes_itself(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    told = make_device(pixel).describe()
    assert (told.name, told.kind, told.model) == ("sim", "adb", "Google Pixel 7 Pro")
    assert (told.architecture, told.num_cores, told.system) == ("arm64-v8a", 8, "Android 14 (API 34)")
    assert told.max_frequency_mhz == 2850
    assert told.properties["soc"] == "GS201" and told.properties["thermal_status"] == "0"


def test_a_board_says_what_it_cannot_tell(make_phone: MakePhone, make_device: MakeDevice) -> None:
    told = make_device(make_phone("board"), folder="/tmp/fbsearch").describe()
    assert told.num_cores == 4 and told.system.startswith("Linux ")
    assert {name for name, value in told.properties.items() if value == "not told"} >= {
        *("fingerprint", "battery_celsius", "battery_percent", "thermal_status")
    }


def take_away(phone: SimulatedPhone, *tools: str) -> None:
    for tool in tools:
        (phone.sandbox.bin / tool).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("profile", "folder", "mask"), [("old_phone", OURS, "f0"), ("board", "/tmp/fbsearch", "")]
)
def test_what_has_little_measures_with_what_it_has(
    make_phone: MakePhone, make_device: MakeDevice, profile: str, folder: str, mask: str, tmp_path: Path
) -> None:
    """No exit codes, no thermal service; the board has no taskset, dumpsys or sha256sum either."""
    phone = make_phone(profile)
    if profile == "board":
        take_away(phone, "sha256sum", "nproc", "timeout")
    device = make_device(phone, folder=folder)
    assert ("sha256sum" in device.phone.readings().tools) == (profile != "board")
    runner = device.runner("tflite", threads=1)
    with runner.measuring(tmp_path / "launches.jsonl"):
        runner.prepare([TINY])
        session = runner.open(TINY)
        assert 0 < session.invoke(20)[0] < 1e6
        assert runner.throttling() is None
    assert [event.detail["mask"] for event in phone.events.of("launch")] == [mask]
    assert runner.description.options["cores"] == (mask or "left to the system")
    paths = [str(event.detail["path"]) for event in phone.events.of("push")]
    assert len(paths) == len(set(paths)) == 2  # the binary and the model, once each
    assert not phone.sandbox.to_host(folder).exists()


def test_a_failure_is_one_on_a_phone_without_exit_codes_too(
    make_phone: MakePhone, make_device: MakeDevice
) -> None:

    phone = make_phone("old_phone", faults=[Fault("crashing_binary", times=3)])
    runner = make_device(phone).runner("tflite", threads=1)
    wanted = r"tiny\.tflite: .*segmentation fault.*tried 3 times"
    with pytest.raises(DeviceError, match=wanted), runner.measuring():
        runner.open(TINY).invoke(5)


@pytest.mark.parametrize(
    ("fields", "threads", "message"),
    [
        ({}, 9, "threads=9: device 'sim' has 8 cores; ask for 1 to 8"),
        ({"binary": "/nowhere/benchmark_model"}, 1, "no such benchmark binary"),
        ({"binary_sha256": "0" * 64}, 1, "has SHA-256 .*, the device file says 0000"),
    ],
)
def test_what_a_phone_does_not_offer(
    pixel: SimulatedPhone, make_device: MakeDevice, fields: dict[str, str], threads: int, message: str
) -> None:
    with pytest.raises(DeviceError, match=message):
        make_device(pixel, **fields).runner("tflite", threads=threads)


def test_onnxruntime_needs_a_binary_of_the_user(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    with pytest.raises(DeviceError, match="give it as 'onnxruntime_binary' in the device file"):
        make_device(pixel, onnxruntime_binary=None).runner("onnxruntime", threads=1)


def test_cores_that_a_board_cannot_be_held_to(make_phone: MakePhone, make_device: MakeDevice) -> None:
    device = make_device(make_phone("board"), cores="big", folder="/tmp/fbsearch")
    with pytest.raises(DeviceError, match="cores: 'big': device 'sim' has no taskset"):
        device.runner("tflite", threads=1)


def test_of_two_phones_whose_addresses_begin_alike_only_ours_is_used(
    make_phone: MakePhone, make_device: MakeDevice
) -> None:
    ours, twin = two_alike(make_phone)
    device = make_device(ours)
    runner = device.runner("tflite", threads=1)
    with runner.measuring():
        session = runner.open(TINY)
        ours.pull_cable(0.2)
        assert session.invoke(5)
        assert device.phone.readings().properties["ro.serialno"] == "SIM1"
    assert twin.events.of("connected") == [] and list_ours(twin) == []


def two_alike(make_phone: MakePhone) -> tuple[SimulatedPhone, SimulatedPhone]:
    for port in range(6400, 6500):
        try:
            twin = make_phone(folder="twin", port=10 * port, serial="SIM12")
            return make_phone(folder="ours", port=port, serial="SIM1"), twin
        except OSError:  # noqa: PERF203  # one of the two is taken
            continue
    pytest.skip("no two ports are free whose numbers begin alike")


def test_a_connection_that_is_open_is_shared(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    device = make_device(pixel)
    before = len(pixel.events.of("connected"))
    with device.phone.connected():
        device.phone.readings()
        with device.phone.connected():
            device.describe()
    assert len(pixel.events.of("connected")) == before + 1


def test_nobody_there(make_phone: MakePhone, make_device: MakeDevice) -> None:
    phone = make_phone()
    phone.close()
    with pytest.raises(DeviceError, match=r"127\.0\.0\.1") as caught:
        make_device(phone).describe()
    assert "\n" not in str(caught.value)
