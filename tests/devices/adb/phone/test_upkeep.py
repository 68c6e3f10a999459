"""What measuring sets on a phone is set back, however measuring ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fbsearch.devices.adb.link.reconnecting import ReconnectingConnection
from fbsearch.devices.adb.phone import upkeep
from fbsearch.devices.adb.phone.upkeep import held_back, restore
from fbsearch.devices.adb.readings import Conditions, Thermal
from fbsearch.devices.adb.readings.cores import CoreFrequencies
from fbsearch.devices.definition import AdbDefinition
from fbsearch.errors import ConnectionTimeoutError, DeviceError
from tests.devices.adb.conftest import OURS, MakeDevice, MakePhone, list_ours
from tools.simulated_phone import Fault, SimulatedPhone, read_profile

DATA = Path("tests/devices/data")
DEFINITION = AdbDefinition(name="x")


def modes(phone: SimulatedPhone) -> list[bool]:
    return [bool(event.detail["enabled"]) for event in phone.events.of("fixed_performance")]


def test_the_mode_is_on_while_measuring_and_off_after_it(
    pixel: SimulatedPhone, make_device: MakeDevice
) -> None:
    before = len(modes(pixel))
    with make_device(pixel).runner("tflite", threads=1).measuring():
        assert pixel.fixed_performance
    assert not pixel.fixed_performance and list_ours(pixel) == []
    assert modes(pixel)[before:] == [True, False]


def test_the_mode_is_left_alone_where_nobody_wants_it(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    before = len(modes(pixel))
    with make_device(pixel, fixed_performance_mode=False).runner("tflite", threads=1).measuring():
        assert not pixel.fixed_performance
    assert modes(pixel)[before:] == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_off_after_an_error_and_after_ctrl_c(
    pixel: SimulatedPhone, make_device: MakeDevice, error: type[BaseException]
) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    with pytest.raises(error), runner.measuring():
        runner.open(DATA / "tiny.tflite").invoke(5)
        raise error
    assert not pixel.fixed_performance and list_ours(pixel) == []


def test_the_mode_is_entered_again_before_the_next_launch(
    pixel: SimulatedPhone, make_device: MakeDevice
) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    with runner.measuring():
        session = runner.open(DATA / "tiny.tflite")
        pixel.inject(Fault("rebooting", at="benchmark", seconds=0.1))
        assert session.invoke(5)
        assert pixel.fixed_performance
    assert not pixel.fixed_performance and list_ours(pixel) == []


def test_it_waits_for_the_services_that_come_up_late(make_phone: MakePhone, make_device: MakeDevice) -> None:
    phone = make_phone()
    runner = make_device(phone).runner("tflite", threads=1)
    with runner.measuring():
        phone.reboot(0.4, has_slow_services=True)
        phone.events.wait_for("listening")
        assert runner.throttling() is None
        assert phone.fixed_performance
    assert not phone.fixed_performance


def test_a_link_lost_at_the_end_does_not_switch_it_on_again(
    pixel: SimulatedPhone, make_device: MakeDevice
) -> None:
    for num_good in range(4):  # whichever command of tidying up it hits
        with make_device(pixel).runner("tflite", threads=1).measuring():
            pixel.inject(Fault("cable_pulled", at="shell", after=num_good, seconds=0.05))
            took_hold = len(pixel.events.of("fault"))
        if len(pixel.events.of("fault")) == took_hold:  # there were fewer commands
            with make_device(pixel).phone.connected() as phone:
                phone.readings()
        assert not pixel.fixed_performance and list_ours(pixel) == []


def test_where_it_cannot_be_left_the_marker_stays_for_the_next(
    pixel: SimulatedPhone, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def hangs(phone: object) -> None:
        raise ConnectionTimeoutError("cmd hangs")

    with make_device(pixel).runner("tflite", threads=1).measuring():
        monkeypatch.setattr(upkeep, "restore", hangs)
    assert pixel.fixed_performance and "fbsearch/fixed-performance-mode-is-on" in list_ours(pixel)
    assert "could not tidy up on the phone (cmd hangs); the next run there will" in caplog.text
    monkeypatch.setattr(upkeep, "restore", restore)
    with make_device(pixel).runner("tflite", threads=1).measuring():
        pass
    assert "an interrupted run had left fixed-performance mode on; it is off now" in caplog.text
    assert not pixel.fixed_performance and list_ours(pixel) == []


@pytest.mark.parametrize("profile", ["old_phone", "board"])
def test_what_does_not_offer_it_is_measured_without(
    make_phone: MakePhone, make_device: MakeDevice, profile: str
) -> None:
    phone = make_phone(profile)
    folder = "/tmp/fbsearch" if profile == "board" else OURS
    runner = make_device(phone, folder=folder).runner("tflite", threads=1)
    with runner.measuring():
        assert runner.throttling() is None
        assert not phone.sandbox.to_host(f"{folder}/fixed-performance-mode-is-on").exists()
    assert modes(phone) == []
    assert not any("set-fixed" in str(event.detail["command"]) for event in phone.events.of("shell"))


def test_a_phone_whose_maker_left_it_out(make_phone: MakePhone, make_device: MakeDevice) -> None:
    phone = make_phone(replace(read_profile("pixel"), has_fixed_performance=False))
    with make_device(phone).runner("tflite", threads=1).measuring():
        assert not phone.sandbox.to_host(f"{OURS}/fixed-performance-mode-is-on").exists()
    assert modes(phone) == [] and list_ours(phone) == []


KILLED = """
import sys, time
from pathlib import Path
from fbsearch.devices.finding import find_device
runner = find_device(sys.argv[1]).runner("tflite", threads=1)
with runner.measuring():
    session = runner.open(Path("tests/devices/data/tiny.tflite"))
    session.invoke(5)
    print("measuring", flush=True)
    session.invoke(10**9)
"""


def test_a_killed_run_is_tidied_up_by_the_next_connection(
    pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path, adb_key: Path, caplog
) -> None:
    """SIGKILL leaves the mode on and a launch running: the next run ends both before it measures."""
    file = tmp_path / "sim.yaml"
    file.write_text(
        f"name: sim\nkind: adb\naddress: 127.0.0.1:{pixel.port}\ntransport: tcp\nadb_key: {adb_key}\n"
        f"binary: {Path('tools/simulated_phone/benchmark_model').absolute()}\nmax_launch_s: 60\n"
    )
    device = make_device(pixel)
    launched = len(pixel.events.of("launch"))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert process.stdout is not None and process.stdout.readline() == "measuring\n"
    pixel.events.wait_for("launch", count=launched + 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert pixel.fixed_performance and list_ours(pixel)
    before = len(modes(pixel))
    with device.runner("tflite", threads=1).measuring():
        deadline = time.monotonic() + 5
        while pixel.process_ids() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert pixel.process_ids() == []
        assert modes(pixel)[before:] == [False, True]
    assert "an interrupted run had left fixed-performance mode on" in caplog.text
    assert not pixel.fixed_performance and list_ours(pixel) == []


def core(number: int, cap: int) -> CoreFrequencies:
    return CoreFrequencies(core=number, max_khz=2_000_000, scaling_max_khz=cap)


START = Conditions(cores=(core(0, 2_000_000), core(1, 1_800_000)), is_complete=True)


def thermal(status: int | None) -> Thermal:
    return Thermal(status=status, temperatures={}, source="thermalservice")


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (START, None),
        (replace(START, thermal=thermal(0)), None),
        (replace(START, thermal=thermal(None)), None),
        (replace(START, thermal=thermal(2)), "thermal status 2 (allowed: 0)"),
        (
            replace(START, cores=(core(0, 2_000_000), core(1, 1_700_000))),
            "core 1 capped at 1.70 GHz (was 1.80)",
        ),
        (replace(START, cores=(core(0, 2_000_000), core(1, 1_900_000))), None),
        (Conditions(), None),
    ],
)
def test_what_holds_a_phone_back(now: Conditions, reason: str | None) -> None:
    assert held_back(now, START, DEFINITION) == reason


def test_a_hot_battery_holds_it_back(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    runner = make_device(pixel, max_battery_celsius=40).runner("tflite", threads=1)
    with runner.measuring():
        assert runner.throttling() is None
        pixel.state.battery_tenths = 401
        try:
            assert runner.throttling() == "battery at 40.1 °C (allowed: 40)"
        finally:
            pixel.state.battery_tenths = 287


def test_heat_is_seen_while_it_lasts(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    with runner.measuring():
        session = runner.open(DATA / "tiny.tflite")
        pixel.inject(Fault("throttled", times=1, seconds=20))
        session.invoke(5)
        assert "thermal status 3" in str(runner.throttling())
        session.invoke(5)
        assert runner.throttling() is None


def test_a_phone_that_is_gone_for_good_does_not_hide_why_measuring_ended(
    make_phone: MakePhone, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setitem(ReconnectingConnection.__init__.__kwdefaults__, "patience_s", 0.2)
    phone = make_phone()
    with pytest.raises(DeviceError, match=r"did not come back within 0\.2 s"):
        runner = make_device(phone).runner("tflite", threads=1)
        with runner.measuring():
            phone.pull_cable(1000)
            runner.throttling()
    assert "could not tidy up on the phone" in caplog.text
