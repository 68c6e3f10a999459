"""A whole run in two processes that torchrun starts, on a computer without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fbsearch.train import load_state
from tests.pipeline.run.test_run import SMALL, arguments

pytestmark = pytest.mark.ci

ROOT = Path(__file__).parents[3]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def run(tiny_space: Path, out: Path) -> tuple[dict[str, object], list[str]]:
    """The verification that a run in two processes prints, and the lines that it tells."""
    command = [sys.executable, *TORCHRUN, "-m", "fbsearch", "run", "quickstart", "--out", str(out), "--quiet"]
    command += ["--json", *arguments([f"space.source={tiny_space}", *SMALL])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def test_two_processes_make_one_run_and_tell_it_once(tiny_space: Path, tmp_path: Path) -> None:
    verification, lines = run(tiny_space, tmp_path)
    assert verification == json.loads((tmp_path / "verification.json").read_text())
    assert verification["test_accuracy"] == verification["torch_test_accuracy"] > 0.7
    for start in ("profile: ", "search: budget", "train: test accuracy", "verify: ", "report: "):
        assert len([line for line in lines if line.startswith(start)]) == 1, lines
    for folder, name in (("search", "num_processes"), ("train", "processes")):
        assert load_state(tmp_path / folder / "checkpoint.safetensors")["identity"][name] == 2
    stages = json.loads((tmp_path / "run.json").read_text())["stages"]
    assert len(stages) == 6 and all(stage["error"] is None for stage in stages.values())
    assert not list(tmp_path.glob(".*"))
