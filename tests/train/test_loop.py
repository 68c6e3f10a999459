"""The epoch loop: checkpoints, metrics, resuming."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from fbsearch.errors import CheckpointError
from fbsearch.train import Report, load_state, run_epochs, save_state, seeded


class WalkTask:
    """A random walk: an epoch's outcome depends on all before it."""

    def __init__(self, num_epochs: int, *, dies_in: int | None = None) -> None:
        self.num_epochs = num_epochs
        self.dies_in = dies_in
        self.position = torch.rand(3)  # the first state is random, too
        self.epochs_run: list[int] = []

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        self.epochs_run.append(epoch)
        with seeded(7, epoch) as generator:
            for step in range(3):
                self.position = 1.1 * self.position + torch.randn(3) + torch.rand(3, generator=generator)
                report(step + 1, 3)
                if epoch == self.dies_in:
                    raise KeyboardInterrupt
        return {"train_loss": float(self.position.sum())}

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


def run(task: WalkTask, folder: Path, *, resume: bool = False, **options: Any) -> list[dict[str, float]]:
    return run_epochs(task, folder=folder, title="walk", resume=resume, progress=False, **options)


@pytest.mark.parametrize("dies_in", [0, 1, 3])
def test_a_killed_task_resumes_to_the_same_end(tmp_path: Path, dies_in: int) -> None:
    torch.manual_seed(0)
    straight = WalkTask(4)
    rows = run(straight, tmp_path / "straight")
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        run(WalkTask(4, dies_in=dies_in), tmp_path / "killed")
    resumed = WalkTask(4)  # with another first state
    assert run(resumed, tmp_path / "killed", resume=True) == rows
    assert resumed.epochs_run == list(range(dies_in, 4))
    assert torch.equal(resumed.position, straight.position)
    assert (tmp_path / "killed/metrics.jsonl").read_bytes() == (
        tmp_path / "straight/metrics.jsonl"
    ).read_bytes()


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_files_of_a_run(tmp_path: Path) -> None:
    rows = run(WalkTask(2), tmp_path)
    assert metrics(tmp_path) == rows
    assert [row["epoch"] for row in rows] == [0, 1]
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert load_state(tmp_path / "checkpoint.safetensors")["rows"] == rows


def test_metrics_lost_or_torn_after_a_checkpoint_are_written_again(tmp_path: Path) -> None:
    rows = run(WalkTask(2), tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 0}\n{"epo')
    run(WalkTask(2), tmp_path, resume=True)
    assert metrics(tmp_path) == rows


def test_a_finished_run_resumes_to_its_end(tmp_path: Path) -> None:
    rows = run(WalkTask(2), tmp_path)
    task = WalkTask(2)
    assert run(task, tmp_path, resume=True) == rows
    assert task.epochs_run == []


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(WalkTask(1), tmp_path)
    with pytest.raises(CheckpointError, match="already holds a checkpoint"):
        run(WalkTask(1), tmp_path)


def test_another_run_is_not_resumed(tmp_path: Path) -> None:
    run(WalkTask(1), tmp_path, identity={"settings": {"rate": 0.1, "epochs": 1}, "seed": (1, 2)})
    run(WalkTask(1), tmp_path, resume=True, identity={"seed": [1, 2], "settings": {"epochs": 1, "rate": 0.1}})
    with pytest.raises(CheckpointError, match=r"settings\.rate: 0\.1, now 0\.2"):
        run(
            WalkTask(1),
            tmp_path,
            resume=True,
            identity={"settings": {"rate": 0.2, "epochs": 1}, "seed": [1, 2]},
        )


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    run(WalkTask(1), tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="delete it to start over"):
        run(WalkTask(1), tmp_path, resume=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": 5},
        {"task": {}},
        {"rows": 5},
        {"rows": [5]},
        {"rows": [{"epoch": 1}]},
        {"rows": [{"epoch": 0, 1: 2.0}]},
        {"rows": [{"epoch": 0, "loss": torch.zeros(2)}]},
        {"identity": torch.zeros(2)},
        {"identity": {"a": torch.zeros(2)}},
        {"identity": {1: 2, "a": 3}},
    ],
    ids=repr,
)
def test_a_checkpoint_that_was_sealed_with_something_else_is_an_error(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    run(WalkTask(1), tmp_path, identity={"a": 1})
    path = tmp_path / "checkpoint.safetensors"
    save_state(path, load_state(path) | changes)
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors") as caught:
        run(WalkTask(1), tmp_path, resume=True, identity={"a": 1})
    assert "\n" not in str(caught.value)


def test_values_that_are_not_finite_are_null_in_the_file(tmp_path: Path) -> None:
    class NanTask(WalkTask):
        def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
            return {"train_loss": math.nan}

    [row] = run(NanTask(1), tmp_path)
    assert math.isnan(row["train_loss"])
    assert metrics(tmp_path) == [{"epoch": 0, "train_loss": None}]


def test_seeded_numbers_depend_on_the_key_alone_and_leave_no_trace() -> None:
    def draw(*key: int) -> tuple[list[float], list[float]]:
        with seeded(3, *key) as generator:
            return torch.rand(2).tolist(), torch.rand(2, generator=generator).tolist()

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(0, 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert draw(0, 1) == first
    assert first[0] != first[1]
    assert draw(1, 1) != first != draw(0, 2)
