"""Models in processes of their own: the same figures, and a crash is a line."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from fbsearch.devices import LocalDevice, RunnerApart, with_models_apart
from fbsearch.devices.apart.messages import pack, unpack
from fbsearch.devices.apart.process import ModelProcess
from fbsearch.errors import MeasurementError
from tests.devices.apart.fake_interpreter import install_fake_interpreter

DATA = Path(__file__).parent.parent / "data"
TFLITE, ONNX = DATA / "tiny.tflite", DATA / "tiny.onnx"


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunnerApart:
    """Of a TFLite that does what the model says, in the other process alone."""
    found = RunnerApart(LocalDevice().runner("tflite", threads=1))
    install_fake_interpreter(tmp_path / "modules", monkeypatch)
    return found


def model_that(path: Path, words: str) -> Path:
    (path / "model.tflite").write_text(words)
    return path / "model.tflite"


def used(runner: RunnerApart, model: Path) -> np.ndarray:
    session = runner.open(model)
    try:
        session.invoke(1)
        return session.run(np.zeros((2, 2, 2, 1), np.float32))
    finally:
        session.close()


def refused(runner: RunnerApart, model: Path) -> str:
    """The line that a model ends in; its process is gone by then."""
    before = set(psutil.Process().children())
    with pytest.raises(MeasurementError) as caught:
        used(runner, model)
    assert set(psutil.Process().children()) <= before
    line = str(caught.value)
    assert "\n" not in line
    assert str(model) in line
    return line


@pytest.mark.ci
@pytest.mark.parametrize(("runtime", "model"), [("tflite", TFLITE), ("onnxruntime", ONNX)])
def test_a_sound_model_gives_the_same_as_within_this_process(runtime: str, model: Path) -> None:
    device = with_models_apart(LocalDevice())
    here, apart = (one.runner(runtime, threads=1, precision="fp32") for one in (LocalDevice(), device))
    assert apart.description == here.description
    expected, session = here.open(model), apart.open(model)
    assert session.input_shape == expected.input_shape
    assert session.input_name == expected.input_name
    inputs = np.random.default_rng(0).standard_normal((3, *session.input_shape), dtype=np.float32)
    assert np.array_equal(session.run(inputs), expected.run(inputs))
    values = session.invoke(5)
    assert len(values) == 5
    assert all(0 < value < 1e6 for value in values)
    with pytest.raises(MeasurementError, match="the model takes N x"):
        session.run(inputs[:, :1])
    assert psutil.pid_exists(session.pid)
    session.close()
    assert not psutil.pid_exists(session.pid)


def test_what_runs_elsewhere_stays_what_it_is() -> None:
    phone = object()
    assert with_models_apart(phone) is phone  # type: ignore[arg-type,comparison-overlap]


@pytest.mark.ci
@pytest.mark.parametrize("moment", ["open", "set", "invoke", "get"])
def test_a_crash_is_a_line(
    runner: RunnerApart, tmp_path: Path, moment: str, capfd: pytest.CaptureFixture[str]
) -> None:
    line = refused(runner, model_that(tmp_path, f"{moment} crash"))
    assert "its runtime crashed on this model (SIGSEGV)" in line
    assert "export the model again" in line
    assert capfd.readouterr() == ("", "")


@pytest.mark.ci
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("abort", "crashed on this model (SIGABRT)"),
        ("leave", "crashed on this model (exit code 3)"),
        ("raise", "crashed on this model (exit code 1)"),
        ("refuse", "does not run: something of its own"),
        ("speak " + pack({}).hex(), "answers nonsense"),
        ("speak " + pack({"latencies_us": [None]}).hex(), "answers nonsense"),
        ("speak " + (b"\xff" * 40).hex(), "answers nonsense"),
    ],
)
def test_other_ends(runner: RunnerApart, tmp_path: Path, what: str, expected: str) -> None:
    assert expected in refused(runner, model_that(tmp_path, f"invoke {what}"))


@pytest.mark.ci
def test_an_error_that_a_model_made_up_is_one_line(runner: RunnerApart, tmp_path: Path) -> None:
    model = model_that(tmp_path, "invoke speak " + pack({"error": "two\nlines"}).hex())
    with pytest.raises(MeasurementError, match=r"^two lines$"):
        used(runner, model)


@pytest.mark.ci
def test_a_model_that_never_answers(runner: RunnerApart, tmp_path: Path) -> None:
    model = model_that(tmp_path, "open hang")
    process = ModelProcess(model, patience_s=1.5)
    start = time.monotonic()
    with pytest.raises(MeasurementError, match=r"gave no answer within 1\.5 s"):
        process.ask(
            {"do": "open", "runtime": "tflite", "threads": 1, "precision": "fp32", "model": str(model)}
        )
    process.close()
    assert time.monotonic() - start < 10
    assert not psutil.pid_exists(process.pid)


@pytest.mark.ci
def test_a_model_that_is_killed(runner: RunnerApart, tmp_path: Path) -> None:
    session = runner.open(model_that(tmp_path, "never anything"))
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(MeasurementError, match=r"crashed on this model \(SIGKILL\)"):
        session.invoke(1)
    session.close()


@pytest.mark.ci
def test_the_process_goes_when_nobody_holds_it_any_more(runner: RunnerApart, tmp_path: Path) -> None:
    session = runner.open(model_that(tmp_path, "never anything"))
    process = psutil.Process(session.pid)
    del session
    assert psutil.wait_procs([process], timeout=5)[1] == []


@pytest.mark.parametrize("values", [np.arange(6, dtype=np.int8).reshape(2, 3), np.ones((1, 2), np.float16)])
def test_messages_come_back(values: np.ndarray) -> None:
    fields, back = unpack(pack({"do": "run"}, values))
    assert fields["do"] == "run"
    assert back.dtype == values.dtype
    assert np.array_equal(back, values)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0\0\0\2[]",
        b"\0\0\0\2{}"[:5],
        pack({"dtype": "O", "shape": [1]}) + bytes(8),
        pack({"dtype": "<f4", "shape": [2]}) + bytes(4),
        pack({"dtype": "no such", "shape": []}),
        pack({"dtype": "<f4"}),
        pack({}).replace(b"{}", b"[" * 2),
        b"\0\1\x86\xa0" + b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(message)


@pytest.mark.ci
@pytest.mark.skipif(sys.platform != "linux", reason="asks the system about its memory killer")
def test_where_memory_runs_out_the_model_goes_first(runner: RunnerApart, tmp_path: Path) -> None:
    session = runner.open(model_that(tmp_path, "never anything"))
    assert Path(f"/proc/{session.pid}/oom_score_adj").read_text().strip() == "1000"
    session.close()
