"""Several processes, started by torchrun, train like one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.train.training_process import PLAIN, train

pytestmark = pytest.mark.ci

SCRIPT = Path(__file__).with_name("training_process.py")


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the training script in two processes."""
    root = Path(__file__).parents[2]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [*launcher, str(SCRIPT), str(folder), *options], env=environment, cwd=root, start_new_session=True
    )


def torchrun(folder: Path, *options: str) -> dict[str, Any]:
    """Run the training script in two processes and return its result."""
    assert start(folder, *options).wait(timeout=300) == 0
    return json.loads((folder / "result.json").read_text())


def alone(folder: Path, *, with_norms: bool) -> dict[str, Any]:
    torch.set_num_threads(1)
    train(folder, settings=PLAIN, with_norms=with_norms)
    return json.loads((folder / "result.json").read_text())


def test_two_processes_train_like_one_where_images_do_not_meet(tmp_path: Path) -> None:
    """Without batch norm the gradient is a mean over images, whoever computes it: curves agree."""
    one = alone(tmp_path / "one", with_norms=False)
    two = torchrun(tmp_path / "two", "--plain", "--without-norms")
    for ours, theirs in zip(one["rows"], two["rows"], strict=True):
        assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-6)
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], rel=1e-3)


def test_two_processes_with_batch_norm_count_every_image_once(tmp_path: Path) -> None:
    """Each process normalises by its own half of a batch, so that curves are alike, not equal."""
    one = alone(tmp_path / "one", with_norms=True)
    two = torchrun(tmp_path / "two", "--plain")
    for ours, theirs in zip(one["rows"], two["rows"], strict=True):
        assert theirs["train_loss"] == pytest.approx(ours["train_loss"], rel=0.2)
    assert two["test"]["num_samples"] == one["test"]["num_samples"] == 75
    assert sum(map(sum, two["test"]["confusion"])) == 75


def test_a_process_without_an_image_of_the_last_batch(tmp_path: Path) -> None:
    """65 images in batches of 2 x 16: of the last, one process gets one image and the other none."""
    result = torchrun(tmp_path, "--eval-limit", "65")
    assert result["test"]["num_samples"] == 65
    assert len(result["rows"]) == 4


def test_two_processes_killed_and_resumed_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    straight = torchrun(tmp_path / "straight")
    launcher = start(tmp_path / "killed")
    path = tmp_path / "killed/metrics.jsonl"
    while not path.exists() or len(path.read_bytes().splitlines()) < 2:
        assert launcher.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(launcher.pid).children(recursive=True)
    for process in (launcher, *workers):
        process.kill()
    launcher.wait()
    psutil.wait_procs(workers)
    assert torchrun(tmp_path / "killed", "--resume") == straight
    weights = [tmp_path / name / "weights.safetensors" for name in ("straight", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
