"""Whose verification ``verification.json`` is, and models that come from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.devices import LocalDevice
from fbsearch.export import read_sidecar, write_sidecar
from fbsearch.files import read_json
from fbsearch.pipeline.stages.verifying import save_verification_of
from fbsearch.records import RunPaths, Verification, read_record
from tests.devices.apart.fake_interpreter import install_fake_interpreter


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    """A run with the files of three models."""
    for name in ("model.tflite", "model.int8.tflite", "model.onnx"):
        (tmp_path / name).touch()
    return RunPaths(tmp_path)


def save(model: Path, paths: RunPaths, *, measured_ms: float = 1.0) -> Path:
    verification = Verification(model=model.name, measured_ms=measured_ms)
    return save_verification_of(model, verification, paths)


def test_the_first_model_is_the_runs_own_and_may_be_verified_again(paths: RunPaths) -> None:
    model = paths.model("tflite")
    assert save(model, paths) == save(model, paths, measured_ms=2.0) == paths.verification()
    assert read_record(paths.verification(), Verification).measured_ms == 2.0


def test_other_models_have_files_of_their_own(paths: RunPaths, tmp_path: Path) -> None:
    save(paths.model("tflite"), paths)
    before = paths.verification().read_bytes()
    for name in ("model.int8.tflite", "model.onnx"):
        assert save(paths.root / name, paths) == tmp_path / f"verification.{name}.json"
        assert read_json(tmp_path / f"verification.{name}.json")["model"] == name
    assert paths.verification().read_bytes() == before


def test_a_model_of_the_same_name_elsewhere_is_another(paths: RunPaths, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "model.tflite"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    save(paths.model("tflite"), paths)
    assert save(elsewhere, paths) == tmp_path / "verification.model.tflite.json"
    paths.model("tflite").unlink()
    assert save(elsewhere, paths) == paths.verification(), "the run has none of its own in its place"


def test_a_damaged_verification_makes_way(paths: RunPaths) -> None:
    paths.verification().write_text("{")
    assert save(paths.model("onnx"), paths) == paths.verification()


@pytest.mark.slow
def test_a_model_that_crashes_its_runtime_takes_nothing_with_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = run / "sent.tflite"
    assert main(["export", str(run), "--to", str(model)]) == 0
    preprocessing = read_sidecar(model).preprocessing
    LocalDevice().runner("tflite", threads=1)  # the real one
    install_fake_interpreter(tmp_path / "modules", monkeypatch)
    model.write_text("open crash")
    write_sidecar(model, preprocessing, architecture="sent")
    capsys.readouterr()
    assert main(["verify", str(model)]) == 2
    line = f"error: {model}: its runtime crashed on this model (SIGSEGV)"
    assert line in capsys.readouterr().err
