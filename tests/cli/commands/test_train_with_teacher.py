"""``fbsearch train --teacher``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.spaces import load_space

TEACHER = "tests.train.distillation.tiny_teacher:TinyTeacher"


@pytest.fixture
def architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    load_space("digits").decode((1, 1, 1, 1)).save(tmp_path / "small.json")
    return tmp_path / "small.json"


def test_the_teacher_is_told_of_in_result_and_json(
    architecture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(architecture), "--data", "digits", "--limit", "60", "--out", "run", "--json"]
    settings = ["epochs=1", "batch_size=30", "distillation.temperature=2", "distillation.feature_weight=0.5"]
    assert main([*command, "--teacher", TEACHER, *(f"--set={one}" for one in settings)]) == 0
    told = json.loads(capsys.readouterr().out)["teacher"]
    written = json.loads((tmp_path / "run" / "train" / "result.json").read_text())["teacher"]
    assert told == written
    assert (told["name"], told["head"], told["temperature"]) == (TEACHER, "own", 2.0)
    [row] = (tmp_path / "run" / "train" / "metrics.jsonl").read_text().splitlines()
    assert {"label_loss", "soft_label_loss", "feature_loss"} <= set(json.loads(row))


def test_refused_before_any_image_is_loaded(architecture: Path, failing, tmp_path: Path) -> None:
    train = ("train", architecture, "--data", "no-such-folder", "--out", "run")
    assert "teacher 'nobody': no run folder" in failing(*train, "--teacher", "nobody")
    assert "there is no function 'Teacher'" in failing(*train, "--teacher", TEACHER.replace(":Tiny", ":"))
    line = failing(*train, "--teacher", TEACHER, "--set", "distillation.soft_weight=0")
    assert "train: distillation: nobody listens to the teacher" in line
    assert not (tmp_path / "run").exists()


def test_a_run_refuses_it_before_any_work(failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = failing("run", "quickstart", "--out", "run", "--set", "train.distillation.teacher=nobody.pt")
    assert "teacher 'nobody.pt': no run folder, no TorchScript or ONNX file" in line
    assert not (tmp_path / "run" / "table.json").exists()
