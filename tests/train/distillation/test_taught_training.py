"""A training with a teacher: what it tells, what it keeps, and that it can be killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fbsearch.data import DataSplits, load_data
from fbsearch.errors import CheckpointError, InvalidInputError
from fbsearch.nn import Network
from fbsearch.spaces import load_space
from fbsearch.train import ChildTask, DistillationSettings, TrainSettings, load_state, make_accelerator
from fbsearch.train.distillation.keeping import keep_answers
from fbsearch.train.distillation.lessons import AskedLessons
from fbsearch.train.distillation.preparing import prepare_teacher
from fbsearch.train.distillation.taught import TaughtTraining
from fbsearch.train.distillation.teacher import Teacher
from fbsearch.train.objective import TrainingBatch
from fbsearch.train.regularisation import MixedLabels
from tests.train.distillation.taught_process import TEACHER, small_data, train
from tests.train.distillation.tiny_teacher import write_module

DISTILLATION = DistillationSettings(teacher=TEACHER, feature_weight=1.0)
SCRIPT = Path(__file__).with_name("taught_process.py")
PARTS = ("label_loss", "soft_label_loss", "feature_loss")


@pytest.fixture(scope="module")
def data() -> DataSplits:
    return small_data()


@pytest.fixture(scope="module")
def straight(data: DataSplits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a taught training that nothing interrupted, in which answers are kept."""
    folder = tmp_path_factory.mktemp("straight")
    train(folder, data=data, augmented_epochs=2)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of images whenever a teacher is asked."""
    counts: list[int] = []
    ask = Teacher.ask

    def counting(self: Teacher, images: torch.Tensor) -> Any:
        counts.append(len(images))
        return ask(self, images)

    monkeypatch.setattr(Teacher, "ask", counting)
    return counts


def taught_training(data: DataSplits, folder: Path, *, varies: bool) -> TaughtTraining:
    network = Network(load_space("digits").decode((1, 1, 1, 1)))
    settings = TrainSettings(batch_size=50, distillation=DISTILLATION)
    augmentation = data.augmentation if varies else None
    return TaughtTraining(network, data, settings, augmentation, 0, make_accelerator(), folder)


def check_same_end(folder: Path, straight: Path) -> None:
    for name in ("weights.safetensors", "metrics.jsonl"):
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name


def test_the_loss_is_made_of_its_parts(data: DataSplits, tmp_path: Path) -> None:
    result = train(tmp_path, data=data, soft_weight=0.75, feature_weight=0.5, train_epochs=1)
    row = result.history[0]
    labels, soft, features = (row[name] for name in PARTS)
    assert row["train_loss"] == pytest.approx(0.25 * labels + 0.75 * soft + 0.5 * features, rel=1e-5)
    assert result.teacher is not None and not result.teacher.keeps_outputs
    told = result.teacher
    assert (told.head, told.resolution, told.temperature) == ("own", 16, 4.0)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"feature_weight": 0.0}, PARTS[:2]),
        ({"soft_weight": 0.0}, (PARTS[0], PARTS[2])),
        ({"head": "none"}, (PARTS[0], PARTS[2])),
    ],
)
def test_what_does_not_count_is_not_told(
    data: DataSplits, tmp_path: Path, settings: dict[str, Any], parts: tuple[str, ...]
) -> None:
    result = train(tmp_path, data=data, train_epochs=1, **settings)
    assert tuple(name for name in result.history[0] if name in PARTS) == parts


def test_features_are_learnt(straight: Path) -> None:
    """The projection and the network come to show what the teacher shows."""
    rows = load_state(straight / "checkpoint.safetensors")["rows"]
    assert rows[-1]["feature_loss"] < 0.7 * rows[0]["feature_loss"]


@pytest.mark.parametrize(("varies", "augmented_epochs"), [(True, 2), (False, 0), (False, 2)])
def test_what_is_looked_up_is_what_would_be_answered(
    data: DataSplits, tmp_path: Path, varies: bool, augmented_epochs: int
) -> None:
    taught = taught_training(data, tmp_path, varies=varies)
    prepared = prepare_teacher(
        DISTILLATION, data, augmentation=None, folder=tmp_path, device=torch.device("cpu"), seed=0
    )
    asked = AskedLessons(prepared.teacher, map_size=(2, 2), num_views=augmented_epochs if varies else 0)
    kept = keep_answers(taught, prepared, asked, cache_mib=1, progress=False)
    assert kept is not None
    for epoch in range(3):
        shown = epoch % kept.num_views if kept.num_views else epoch
        for step, (images, labels) in enumerate(taught.loader().epoch(shown)):
            batch = TrainingBatch(images, MixedLabels(labels, labels, 1.0), epoch, step)
            ours, theirs = kept.of(batch), asked.of(batch)
            torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(ours.features, theirs.features, rtol=1e-4, atol=1e-5)


def test_images_that_do_not_vary_are_asked_about_once(
    data: DataSplits, tmp_path: Path, asked: list[int]
) -> None:
    result = train(tmp_path / "kept", data=data, varies=False, train_epochs=3)
    assert result.teacher is not None and result.teacher.keeps_outputs
    assert sum(asked) == 2 + len(data.val) + len(data.train)  # an example, its accuracy, its answers


def test_views_are_asked_about_once_each_and_then_looked_up(
    data: DataSplits, straight: Path, tmp_path: Path, asked: list[int]
) -> None:
    train(tmp_path, data=data, augmented_epochs=2)
    assert sum(asked) == 2 + len(data.val) + 2 * len(data.train)
    check_same_end(tmp_path, straight)
    del asked[:]
    train(tmp_path, data=data, augmented_epochs=2, resume=True)
    assert sum(asked) == 2
    for path in (tmp_path / "teacher").glob("lessons-0001-*"):
        path.write_bytes(b"torn")
    train(tmp_path, data=data, augmented_epochs=2, resume=True)
    assert sum(asked) == 2 + 2 + len(data.train)  # of the second view alone


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("augmented_epochs", [0, 2])
def test_interrupted_and_resumed_gives_the_same_weights(
    data: DataSplits, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augmented_epochs: int
) -> None:
    whole = straight
    if not augmented_epochs:
        whole = tmp_path / "whole"
        train(whole, data=data)
    run_epoch = ChildTask.run_epoch

    def interrupted(self: ChildTask, epoch: int, report: Any) -> dict[str, float]:
        if epoch == 2:
            raise _KilledError
        return run_epoch(self, epoch, report)

    with monkeypatch.context() as patch, pytest.raises(_KilledError):
        patch.setattr(ChildTask, "run_epoch", interrupted)
        train(tmp_path / "killed", data=data, augmented_epochs=augmented_epochs)
    train(tmp_path / "killed", data=data, augmented_epochs=augmented_epochs, resume=True)
    check_same_end(tmp_path / "killed", whole)


@pytest.mark.ci
@pytest.mark.parametrize("moment", range(4))
def test_killed_at_random_moments_and_resumed_gives_the_same_weights(
    tmp_path: Path, straight: Path, moment: int
) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path)], env=environment, cwd=root)
    while not (tmp_path / "teacher").exists():
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(moment / 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(tmp_path, augmented_epochs=2, resume=True)
    check_same_end(tmp_path, straight)


def test_another_teacher_is_another_training(
    data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = (
        "torch.manual_seed(int(open('seed').read()))\n"
        "    return torch.nn.Sequential(TinyTeacher(), torch.nn.Linear(10, 10))"
    )
    teacher = write_module(tmp_path, body, name="changing_module")
    (tmp_path / "seed").write_text("1")
    train(tmp_path / "run", data=data, teacher=teacher, train_epochs=1)
    (tmp_path / "seed").write_text("2")
    with pytest.raises(CheckpointError, match=r"belongs to a run with other settings \(teacher"):
        train(tmp_path / "run", data=data, teacher=teacher, train_epochs=1, resume=True)


def test_a_teacher_of_other_classes_gets_a_head(
    data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "return TinyTeacher(in_channels=3, num_classes=7)"
    teacher = write_module(tmp_path, body, name="other_classes")
    colours = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "resolution": 20}
    with caplog.at_level(logging.WARNING):
        result = train(tmp_path / "fit", data=data, teacher=teacher, train_epochs=1, **colours)
    assert result.teacher is not None
    assert (result.teacher.head, result.teacher.temperature) == ("fit", 1.0)
    accuracy = result.teacher.val_accuracy
    assert accuracy is not None and accuracy > 0.2  # of random features; chance is 0.1
    [line] = [record.getMessage() for record in caplog.records if "linear head" in record.getMessage()]
    assert f"has {100 * accuracy:.1f} % validation accuracy" in line
    result = train(tmp_path / "none", data=data, teacher=teacher, head="none", train_epochs=1, **colours)
    assert result.teacher is not None and (result.teacher.head, result.teacher.val_accuracy) == ("none", None)
    with pytest.raises(InvalidInputError, match="tells 7 classes apart, the data has 10: set"):
        train(tmp_path / "own", data=data, teacher=teacher, head="own", **colours)


def refused(tmp_path: Path, data: DataSplits, **settings: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        train(tmp_path, data=data, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_teachers_that_do_not_fit(data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    colour = write_module(tmp_path, "return TinyTeacher(in_channels=3)", name="wrong_channels")
    assert "does not take images of shape (1, 16, 16)" in refused(tmp_path, data, teacher=colour)
    body = "teacher = TinyTeacher()\n    teacher.conv.weight.data[:] = float('nan')\n    return teacher"
    broken = write_module(tmp_path, body, name="nan_module")
    assert "hold NaN or infinity for images of 16 px" in refused(tmp_path, data, teacher=broken)
    body = "return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 10))"
    flat = write_module(tmp_path, body, name="flat_module")
    assert "shows no feature map: set distillation.feature_weight to 0" in refused(
        tmp_path, data, teacher=flat
    )
    body = (
        "return torch.nn.Sequential(TinyTeacher(), torch.nn.Flatten(0, -1), torch.nn.Unflatten(0, (1, -1)))"
    )
    merged = write_module(tmp_path, body, name="merging_module")
    assert "1 class scores of 2 images" in refused(tmp_path, data, teacher=merged)


def test_images_that_change_each_time_cannot_be_repeated(data: DataSplits, tmp_path: Path) -> None:
    line = refused(tmp_path, data, augmented_epochs=2, train_mixup_alpha=0.2)
    assert "mixup_alpha 0.2 and random_erasing 0.0 change them each time: set both to 0" in line


def test_mixed_images_are_asked_about_as_they_are(data: DataSplits, tmp_path: Path, asked: list[int]) -> None:
    result = train(tmp_path, data=data, varies=False, train_mixup_alpha=0.2, train_epochs=2)
    assert sum(asked) == 2 + len(data.val) + 2 * len(data.train)
    assert result.teacher is not None and not result.teacher.keeps_outputs


def test_too_little_room_is_told(data: DataSplits, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train(tmp_path, data=data, varies=False, cache_mib=0, train_epochs=1)
    assert "MiB of outputs are more than distillation.cache_mib, 0" in caplog.text


def test_mixed_precision_and_averages_leave_a_plain_network(data: DataSplits, tmp_path: Path) -> None:
    result = train(tmp_path, data=data, train_precision="bf16", train_ema_decay=0.9, train_epochs=2)
    assert result.history[1]["feature_loss"] < result.history[0]["feature_loss"]
    assert not any(
        "projection" in name for name in load_state(tmp_path / "checkpoint.safetensors")["task"]["network"]
    )


def test_the_data_need_not_be_small(tmp_path: Path) -> None:
    data = load_data("digits", limit=60, eval_limit=20)
    assert (
        train(tmp_path, data=data, varies=False, train_batch_size=64, train_epochs=1).test.num_samples == 20
    )
