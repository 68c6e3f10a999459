"""Launches of a benchmark binary: their command lines, and what becomes of those that fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fbsearch.devices.adb.benchmark.launch_figures import LaunchFigures
from fbsearch.devices.adb.benchmark.launching import BenchmarkModel, LaunchSettings, launch_latency_us
from fbsearch.errors import DeviceError, LaunchRefusedError, MeasurementError
from tests.devices.adb.conftest import MakeDevice, MakePhone, list_ours
from tools.simulated_phone import Fault, SimulatedPhone, read_profile

TINY = Path("tests/devices/data/tiny.tflite")
ALWAYS = 1000


def launch(device, *, count: int = 5, threads: int = 1, launches: Path | None = None) -> list[float]:
    runner = device.runner("tflite", threads=threads)
    with runner.measuring(launches):
        return runner.open(TINY).invoke(count)


def last_launch(phone: SimulatedPhone) -> dict[str, object]:
    return phone.events.of("launch")[-1].detail


@pytest.mark.parametrize(
    "fault",
    [
        Fault("crashing_binary"),
        Fault("truncated_output", variant="line"),
        Fault("truncated_output", variant="warm-up"),
        Fault("truncated_output", variant="empty"),
        Fault("garbage_output", variant="noise"),
        Fault("garbage_output", variant="nan"),
        Fault("garbage_output", variant="negative"),
        Fault("garbage_output", variant="count0"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.variant}",
)
def test_a_bad_launch_is_repeated_and_three_end_measuring(
    pixel: SimulatedPhone, make_device: MakeDevice, at_once: list[float], fault: Fault
) -> None:
    device = make_device(pixel)
    runner = device.runner("tflite", threads=1)
    with pytest.raises(MeasurementError) as caught, runner.measuring():
        session = runner.open(TINY)
        pixel.inject(replace(fault, times=2))
        assert session.invoke(5)[0] > 0
        assert at_once == [1, 2]
        pixel.inject(replace(fault, times=3))
        session.invoke(5)
    assert str(caught.value).startswith("tiny.tflite: ") and str(caught.value).endswith("(tried 3 times)")
    assert "\n" not in str(caught.value)
    assert pixel.faults.pending == [] and list_ours(pixel) == []


def test_a_launch_that_hangs_is_killed_and_repeated(
    pixel: SimulatedPhone, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fbsearch.devices.adb.benchmark import launching

    monkeypatch.setattr(launching, "_GRACE_S", 0.5)
    runner = make_device(pixel, max_launch_s=0.5).runner("tflite", threads=1)
    wanted = r"tiny\.tflite: .* did not end within 1\.5 s .*tried 3 times"
    with pytest.raises(MeasurementError, match=wanted), runner.measuring():
        session = runner.open(TINY)
        pixel.inject(Fault("hung_binary"))
        assert session.invoke(5)[0] > 0
        assert [pid for pid in pixel.process_ids() if "benchmark" in cmdline(pid)] == []
        pixel.inject(Fault("hung_binary", times=3))
        session.invoke(5)
    assert pixel.process_ids() == [] and list_ours(pixel) == []


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_what_cannot_get_better_is_not_repeated(
    pixel: SimulatedPhone, make_device: MakeDevice, at_once: list[float]
) -> None:
    pixel.inject(Fault("wrong_abi"))
    with pytest.raises(LaunchRefusedError, match=r"tiny\.tflite: .*not executable.*devices setup") as caught:
        launch(make_device(pixel))
    assert at_once == [] and "tried" not in str(caught.value)


def test_a_binary_too_old_for_the_model(make_phone: MakePhone, make_device: MakeDevice) -> None:
    phone = make_phone(replace(read_profile("pixel"), unknown_operators=("CONV_2D",)))
    with pytest.raises(LaunchRefusedError, match=r"tiny\.tflite: .*CONV_2D"):
        launch(make_device(phone))
    assert list_ours(phone) == []


def test_masks_threads_and_runs_reach_the_binary(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    for cores, mask in (("little", "f"), ("f0", "f0"), ("0x30", "30"), ("all", "ff"), (None, "c0")):
        launch(make_device(pixel, cores=cores), threads=2, count=7)
        detail = last_launch(pixel)
        assert detail["mask"] == mask
        arguments = detail["arguments"]
        assert isinstance(arguments, list)
        assert {"--num_threads=2", "--num_runs=7", "--use_xnnpack=true"} <= set(arguments)


@pytest.mark.parametrize(
    ("delegate", "flags"),
    [
        ("xnnpack", ["--use_xnnpack=true"]),
        ("none", ["--use_xnnpack=false"]),
        ("gpu", ["--use_gpu=true", "--require_full_delegation=true"]),
        ("nnapi", ["--use_nnapi=true", "--require_full_delegation=true"]),
    ],
)
def test_flags_of_the_delegates(delegate, flags: list[str]) -> None:
    settings = LaunchSettings(threads=1, mask=None, delegate=delegate, warmup_ms=1, max_launch_s=1)
    tool = BenchmarkModel("binary", settings)
    for command in (tool.command("m", 5), tool.output_command("m", "x", (1, 2), ("in", "out"))):
        words = command.split()
        assert words[0] == "./binary"
        assert [word for word in words if "use_" in word or "require" in word] == flags


@pytest.mark.parametrize("delegate", ["gpu", pytest.param("nnapi", marks=pytest.mark.slow)])
@pytest.mark.parametrize("answer", ["absent", "unsupported", "untouched", "partial"])
def test_a_delegate_that_did_not_take_the_model_is_an_error(
    make_phone: MakePhone, make_device: MakeDevice, delegate: str, answer: str
) -> None:
    phone = make_phone(replace(read_profile("pixel"), **{delegate: answer}))
    with pytest.raises(MeasurementError, match=r"(?i)tiny\.tflite: .*(delegate|delegation)") as caught:
        launch(make_device(phone, delegate=delegate))
    assert "\n" not in str(caught.value)
    assert list_ours(phone) == []


@pytest.mark.parametrize("delegate", ["gpu", "nnapi"])
def test_a_delegate_that_took_it_is_recorded(
    make_phone: MakePhone, make_device: MakeDevice, tmp_path: Path, delegate: str
) -> None:
    phone = make_phone(replace(read_profile("pixel"), **{delegate: "full"}))
    assert launch(make_device(phone, delegate=delegate), launches=tmp_path / "l.jsonl")[0] > 0
    rows = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert rows[-1]["figures"]["delegate"].lower() == delegate


@pytest.mark.slow
@pytest.mark.parametrize("age", ["tf2.1", "2020", "2024", "current"])
def test_binaries_of_every_age(make_phone: MakePhone, make_device: MakeDevice, age) -> None:
    phone = make_phone(replace(read_profile("pixel"), benchmark_format=age))
    assert 0 < launch(make_device(phone), count=20)[0] < 1e6


def test_every_launch_and_every_failure_is_recorded(
    pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "launches.jsonl"
    before = len(pixel.events.of("launch"))
    runner = make_device(pixel).runner("tflite", threads=1)
    with runner.measuring(path):
        session = runner.open(TINY)
        session.invoke(5)
        pixel.inject(Fault("crashing_binary"))
        session.invoke(11)
        runner.throttling()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all("at" in row for row in rows)
    assert [next(k for k in ("start", "error", "figures", "conditions") if k in row) for row in rows] == [
        *("start", "figures", "error", "figures", "conditions")
    ]
    assert [row["num_runs"] for row in rows if "figures" in row] == [5, 11]
    assert len(pixel.events.of("launch")) - before == 3
    assert rows[0]["fixed_performance_mode"] is True


def test_a_record_that_cannot_be_written(
    pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot write the record of launches"):
        launch(make_device(pixel), launches=tmp_path / "file" / "l.jsonl")
    assert not pixel.fixed_performance and list_ours(pixel) == []


def figures(median: float | None, mean: float) -> LaunchFigures:
    return LaunchFigures(
        count=10, mean_us=mean, min_us=mean, max_us=mean, std_us=0.0, median_us=median, delegate=None
    )


@pytest.mark.parametrize(
    ("median", "mean", "latency"),
    [(20, 20.4, 20.4), (20, 25.0, 20), (300, 300.4, 300), (None, 33.3, 33.3)],
)
def test_a_coarse_median_is_refined_by_a_mean_that_agrees(median, mean, latency) -> None:
    assert launch_latency_us(figures(median, mean)) == latency
