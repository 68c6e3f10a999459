"""Measuring on a phone from a model file to figures, and what remains there: nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fbsearch.devices import LocalDevice, MeasurementLog, measure
from fbsearch.devices.log import ModelRound
from fbsearch.devices.protocol import PHONE_PROTOCOL
from fbsearch.errors import ExportError, LaunchRefusedError, MeasurementError
from fbsearch.export import convert_precision
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.conversion import in_background
from fbsearch.latency.measuring.naming import journal_path, launches_path
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.profiling import profile
from fbsearch.precision import PRECISIONS
from fbsearch.spaces import load_space
from tests.devices.adb.conftest import OURS, MakeDevice, list_ours
from tools.simulated_phone import Fault, SimulatedPhone

DATA = Path("tests/devices/data").absolute()
TINY = DATA / "tiny.tflite"
QUICK = PHONE_PROTOCOL.model_copy(
    update={
        "round_ms": 5.0,
        "sentinel_ms": 5.0,
        "min_rounds": 2,
        "max_rounds": 2,
        "confidence": 0.5,
        "initial_sentinel_readings": 1,
        "drift_tolerance": 9.0,
        "target_relative_ci": 0.9,
        "cooldown_s": 0.0,
        "patience_s": 0.0,
    }
)
SPACE = """\
name: small
resolution: 8
in_channels: 1
num_classes: 2
stem: {channels: 4, kernel: 3, stride: 1}
stages:
  - {channels: 4, layers: 1, stride: 1}
candidates: [k3_e1, k3_e3]
head: {channels: 4}
"""


def test_outputs_are_those_of_the_interpreter_here(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    here = LocalDevice().runner("tflite", threads=1).open(TINY)
    inputs = np.random.default_rng(0).standard_normal((3, *here.input_shape)).astype(np.float32)
    expected = here.run(inputs)
    here.close()
    with runner.measuring():
        session = runner.open(TINY)
        assert session.input_shape == inputs.shape[1:]
        pixel.inject(Fault("crashing_binary", after=1))
        outputs = session.run(inputs)
        with pytest.raises(MeasurementError):
            session.run(inputs[:, :1])
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    assert list_ours(pixel) == []


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_a_model_of_any_precision_runs_there_as_here(
    precision, pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path
) -> None:
    with np.load(DATA / "tiny.npz") as arrays:
        images = arrays["inputs"].astype(np.float32)
    model = tmp_path / f"tiny.{precision}.tflite"
    convert_precision(TINY, precision, [images], model)
    inputs = np.ascontiguousarray(images.transpose(0, 2, 3, 1))[:2]
    expected = LocalDevice().runner("tflite", threads=1, precision=precision).open(model).run(inputs)
    runner = make_device(pixel).runner("tflite", threads=1, precision=precision)
    assert runner.description.precision == precision
    with runner.measuring():
        session = runner.open(model)
        np.testing.assert_allclose(session.run(inputs), expected, atol=1e-6)
        assert session.invoke(5)[0] > 0
    assert list_ours(pixel) == []


def test_a_binary_too_old_to_give_outputs_says_so(make_phone, make_device) -> None:
    phone = make_phone("old_phone")
    runner = make_device(phone).runner("tflite", threads=1)
    with pytest.raises(LaunchRefusedError, match=r"Unconsumed.*output_filepath"), runner.measuring():
        runner.open(TINY).run(np.zeros((1, 8, 8, 4), np.float32))
    assert list_ours(phone) == []


def test_onnxruntime_by_its_own_tool(pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    runner = make_device(pixel).runner("onnxruntime", threads=2)
    with runner.measuring(tmp_path / "launches.jsonl"):
        session = runner.open(DATA / "tiny.onnx")
        assert 0 < session.invoke(20)[0] < 1e6
        pixel.inject(Fault("crashing_binary", times=1))
        assert session.invoke(10)[0] > 0
        with pytest.raises(MeasurementError, match="tells no outputs; verify with TFLite"):
            session.run(np.zeros((1, 8, 8, 4), np.float32))
    detail = pixel.events.of("launch")[-1].detail
    words = detail["arguments"]
    assert isinstance(words, list)
    assert detail["program"] == "onnxruntime_perf_test" and words[words.index("-x") + 1] == "2"
    assert runner.description.package == "onnxruntime_perf_test"
    rows = [json.loads(line) for line in (tmp_path / "launches.jsonl").read_text().splitlines()]
    assert [row["figures"]["count"] for row in rows if "figures" in row] == [20, 10]
    assert list_ours(pixel) == []


def test_keep_leaves_the_folder_and_the_next_run_pushes_nothing(make_phone, make_device) -> None:
    phone = make_phone()
    for _ in range(2):
        runner = make_device(phone, keep=True).runner("tflite", threads=1)
        with runner.measuring():
            runner.prepare([TINY])
            runner.open(TINY).invoke(5)
    files = {name for name in list_ours(phone) if name.endswith(".tflite") or "benchmark_model" in name}
    assert len(files) == 2 and not phone.fixed_performance
    marker = f"{OURS}/fixed-performance-mode-is-on"
    paths = [str(event.detail["path"]) for event in phone.events.of("push")]
    assert sorted(path for path in paths if path != marker) == sorted(f"/data/local/tmp/{f}" for f in files)
    assert not phone.sandbox.to_host(marker).exists()


def snapshot(phone: SimulatedPhone) -> dict[str, bytes]:
    root = phone.sandbox.root
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and "cpufreq" not in str(path)
    }


def test_nothing_outside_our_folder_is_touched(pixel: SimulatedPhone, make_device: MakeDevice) -> None:
    theirs = [pixel.sandbox.to_host(f"/data/local/tmp/{name}") for name in ("fbsearch-2", "fbsearch.txt")]
    for path in theirs:
        path.write_text("theirs")
    before, pushes = snapshot(pixel), len(pixel.events.of("push"))
    runner = make_device(pixel).runner("tflite", threads=1)
    with runner.measuring():
        runner.open(TINY).invoke(5)
        ours = set(snapshot(pixel)) - set(before)
        assert ours and all(name.startswith("data/local/tmp/fbsearch/") for name in ours)
    assert snapshot(pixel) == before
    assert all(str(e.detail["path"]).startswith(f"{OURS}/") for e in pixel.events.of("push")[pushes:])
    for path in theirs:
        path.unlink()


def test_windows_in_which_the_phone_throttled_are_measured_again(
    pixel: SimulatedPhone, make_device: MakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    log = MeasurementLog()
    with runner.measuring():
        session = runner.open(TINY)
        sessions = dict.fromkeys("ab", session)
        pixel.inject(Fault("throttled", after=2, times=6, seconds=30))
        measured = measure(
            sessions,
            QUICK,
            sentinel=session,
            rng=np.random.default_rng(0),
            log=log,
            throttling=runner.throttling,
        )
    assert [reading.is_throttled for reading in log.readings][:2] == [False, True]
    assert log.windows(QUICK)[1] >= 1
    for measurement in measured.values():
        assert len(measurement.rounds_us) == 2 and measurement.num_discarded >= 1 and measurement.is_steady
    told = [record.getMessage() for record in caplog.records if "held back" in record.getMessage()]
    assert len(told) == 1 and "thermal status 3" in told[0]


def test_a_folder_that_vanished_is_filled_again_after_a_reconnect(
    pixel: SimulatedPhone, make_device: MakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    runner = make_device(pixel).runner("tflite", threads=1)
    with runner.measuring():
        session = runner.open(TINY)
        session.invoke(5)
        for num_told in (1, 2):
            shutil.rmtree(pixel.sandbox.to_host(OURS))
            pixel.reboot(0.1)
            assert session.invoke(5)[0] > 0
            told = [record for record in caplog.records if "it is filled again" in record.getMessage()]
            assert len(told) == num_told
        pixel.pull_cable(0.1)
        assert session.invoke(5)[0] > 0
        assert pixel.fixed_performance
        assert sum("it is filled again" in record.getMessage() for record in caplog.records) == 2
    assert list_ours(pixel) == [] and not pixel.fixed_performance


@pytest.fixture
def small_space(tmp_path: Path):
    (tmp_path / "small.yaml").write_text(SPACE)
    return load_space(str(tmp_path / "small.yaml"))


def tiny_models(operators):
    """One small model, under as many names: what is measured is not what matters here."""
    for operator in operators:
        yield operator, TINY


def rounds_in(path: Path) -> list[ModelRound]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [ModelRound(row["operator"], tuple(row["round_us"])) for row in rows if "operator" in row]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MeasurementError])
def test_an_interrupted_profile_resumes_and_keeps_every_round(
    pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path, small_space, monkeypatch, error
) -> None:
    from fbsearch.devices.adb.benchmark.launching import Launcher

    out = tmp_path / "table.json"
    launch, count = Launcher.launch, iter(range(1000))

    def interrupted(self, model, num_runs, *, label):
        if next(count) == 12:
            raise error("stop")
        return launch(self, model, num_runs, label=label)

    monkeypatch.setattr(Launcher, "launch", interrupted)
    settings = {"out": out, "protocol": QUICK, "models": ModelSource(operators=tiny_models)}
    with pytest.raises(error):
        profile(small_space, make_device(pixel), **settings)
    assert list_ours(pixel) == [] and not pixel.fixed_performance and not out.exists()
    kept = rounds_in(journal_path(out))
    assert len(kept) >= 3
    table = profile(small_space, make_device(pixel), **settings)
    assert not journal_path(out).exists()
    for each in kept:
        assert each.values_us in table.entries[each.name].rounds_us
    assert LatencyTable.load(out).entries == table.entries
    rows = [json.loads(line) for line in launches_path(out).read_text().splitlines()]
    timed = [row for row in rows if "figures" in row and row["num_runs"] > QUICK.warmup_invocations]
    num_rounds = sum(len(e.rounds_us) + e.num_discarded for e in table.entries.values())
    assert len(timed) == num_rounds + len(table.sentinel.readings_us)
    assert list_ours(pixel) == []


def operators(num: int):
    return [op for op in load_space("fbnet").operators() if not op.is_identity][:num]


class TestConvertingMeanwhile:
    def test_everything_comes_in_batches_in_order(self) -> None:
        wanted = operators(30)
        with in_background(tiny_models, wanted, batch=7) as batches:
            found = list(batches)
        assert [op for batch in found for op in batch] == wanted
        assert all(len(batch) >= 7 for batch in found[:-1])

    def test_an_early_end_stops_it_after_the_one_under_way(self) -> None:
        converted, is_closed = [], []

        def convert(wanted):
            try:
                for operator in wanted:
                    converted.append(operator)
                    yield operator, TINY
                    while len(converted) >= 4 and not is_over:
                        pass
            finally:
                is_closed.append(True)

        is_over: list[bool] = []
        with pytest.raises(KeyboardInterrupt), in_background(convert, operators(30), batch=2) as batches:
            assert len(next(batches)) >= 2
            is_over.append(True)
            raise KeyboardInterrupt
        assert len(converted) < 30 or is_closed
        assert is_closed == [True]

    def test_an_error_in_the_converter_ends_measuring_and_keeps_the_rounds(
        self, pixel: SimulatedPhone, make_device: MakeDevice, tmp_path: Path, small_space
    ) -> None:
        def convert(wanted):
            for index, item in enumerate(tiny_models(wanted)):
                if index == 2 and len(wanted) > 1:
                    raise ExportError("operator 3 cannot be converted")
                yield item

        def settings(converter):
            return {"protocol": QUICK, "models": ModelSource(operators=converter)}

        out = tmp_path / "table.json"
        with pytest.raises(ExportError, match="operator 3 cannot be converted"):
            profile(small_space, make_device(pixel), out=out, **settings(convert))
        assert list_ours(pixel) == [] and not pixel.fixed_performance and not out.exists()
        table = profile(small_space, make_device(pixel), out=out, **settings(tiny_models))
        assert len(table.entries) == len([op for op in small_space.operators() if not op.is_identity])
