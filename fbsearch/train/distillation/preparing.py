"""From settings to a teacher that answers in the data's classes."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader
from fbsearch.errors import InvalidInputError, UnreadableFileError
from fbsearch.nn.tensor_file import read_tensors, save_tensors
from fbsearch.records.training import HeadKind, TeacherRecord
from fbsearch.train.distillation.finding import find_teacher
from fbsearch.train.distillation.head import LinearHead, fit_head, represented
from fbsearch.train.distillation.images import ImageFormat
from fbsearch.train.distillation.lesson import FoundTeacher, Lesson
from fbsearch.train.distillation.settings import DistillationSettings
from fbsearch.train.distillation.teacher import Teacher

_log = logging.getLogger(__name__)

_TEMPERATURES: dict[HeadKind, float] = {"own": 4.0, "fit": 1.0, "none": 1.0}
_BATCH = 64
_MOST_FITTED = 5000
"""Training images that a head is fitted on: more would change little, and take long."""
_VARIED = 4
"""Times that few images are varied for it: the teacher knows them whole, the training shows them cropped."""
_MOST_JUDGED = 1000
"""Validation images that say how good a teacher is."""
_HEAD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class PreparedTeacher:
    """A teacher at work, and what to tell of it.

    Args:
        teacher: to be asked.
        record: for the training's result.
        fingerprint: of everything that its answers depend on, but the images.
        example: what it says of a few images.
    """

    teacher: Teacher
    record: TeacherRecord
    fingerprint: str
    example: Lesson


def prepare_teacher(
    settings: DistillationSettings,
    data: DataSplits,
    *,
    augmentation: Augmentation | None,
    folder: Path,
    device: torch.device,
    seed: int,
) -> PreparedTeacher:
    """Find the teacher, fit a head where its classes are not the data's, and see how good it is.

    Head and accuracy are kept in ``folder``, so that a resumed training does not ask again.

    Raises:
        InvalidInputError: if there is no such teacher, it does not take the images or answers nonsense, or
            its classes are not the data's and it may have no head.
    """
    found = find_teacher(settings.teacher)
    found.model.to(device)
    given = ImageFormat(data.resolution, tuple(data.mean), tuple(data.std))
    teacher = Teacher(found.name, found.model, given=given, wanted=_wanted(found, settings, given))
    example = _example(teacher, data, device)
    kind = _head_kind(found, example, settings, data)
    key = _key(found, teacher, kind, data, augmentation if kind == "fit" else None, seed)
    head, accuracy = _kept(folder / "head.safetensors", key) or (None, None)
    if accuracy is None and kind != "none":
        head = _fitted(teacher, data, augmentation, device, seed) if kind == "fit" else None
        accuracy = _accuracy(teacher.with_head(head), data, device)
        _keep(folder / "head.safetensors", key, head, accuracy)
    if kind == "fit":
        _log.warning(
            "teacher %s: its classes are not the data's %d; a linear head, fitted on its features, has "
            "%.1f %% validation accuracy", found.name, data.num_classes, 100 * (accuracy or 0.0),
        )  # fmt: skip
    teacher = teacher.with_head(head)
    answer = Lesson(example.logits if head is None else head(example), example.features)
    return PreparedTeacher(teacher, _record(settings, teacher, kind, accuracy), key, answer)


def _wanted(found: FoundTeacher, settings: DistillationSettings, given: ImageFormat) -> ImageFormat:
    """As set, else as the teacher states it, else the data's, which is told."""
    stated = found.stated
    if stated is None and settings.mean is None:
        _log.warning(
            "teacher %s does not state its images' normalisation: it gets the data's; set distillation.mean "
            "and std for another", found.name,
        )  # fmt: skip
    base = stated or given
    resolution = settings.resolution or (stated and stated.resolution) or found.resolution or given.resolution
    return ImageFormat(resolution, settings.mean or base.mean, settings.std or base.std)


def _example(teacher: Teacher, data: DataSplits, device: torch.device) -> Lesson:
    few = data.train.subset(np.arange(min(2, len(data.train))))
    images, _ = next(iter(_loader(few, data).epoch()))
    return teacher.ask(images.to(device))


def _head_kind(
    found: FoundTeacher, example: Lesson, settings: DistillationSettings, data: DataSplits
) -> HeadKind:
    """Where soft labels come from."""
    if settings.feature_weight and example.features is None:
        raise InvalidInputError(
            f"teacher {found.name} shows no feature map: set distillation.feature_weight to 0, or have it "
            "return two outputs, class scores and feature map"
        )
    if not settings.takes_soft_labels:
        return "none"
    num_outputs = example.logits.shape[1]
    fits = num_outputs == data.num_classes and found.class_names in (None, tuple(data.class_names))
    if settings.head == "own" and num_outputs != data.num_classes:
        raise InvalidInputError(
            f"teacher {found.name} tells {num_outputs} classes apart, the data has {data.num_classes}: "
            "set distillation.head to fit, or to none and feature_weight above 0"
        )
    return settings.head or ("own" if fits else "fit")


def _fitted(
    teacher: Teacher, data: DataSplits, augmentation: Augmentation | None, device: torch.device, seed: int
) -> LinearHead:
    """The head, fitted on images as they are and, where they are few, as a training shows them too."""
    chosen = np.random.default_rng([seed, 11]).permutation(len(data.train))[:_MOST_FITTED]
    images = data.train.subset(np.sort(chosen))
    num_varied = min(_VARIED, _MOST_FITTED // len(images) - 1) if augmentation else 0
    plain, varied = (_loader(images, data, one, seed) for one in (None, augmentation))
    rounds = [plain.epoch(), *(varied.epoch(number) for number in range(num_varied))]
    lessons = [represented(teacher.ask(batch.to(device))).cpu() for batches in rounds for batch, _ in batches]
    return fit_head(torch.cat(lessons), images.labels, data.num_classes, seed=seed)


def _accuracy(teacher: Teacher, data: DataSplits, device: torch.device) -> float:
    images = data.val.subset(np.arange(min(_MOST_JUDGED, len(data.val))))
    batches = _loader(images, data).epoch()
    correct = sum(
        int((teacher.ask(batch.to(device)).logits.argmax(1).cpu() == labels).sum())
        for batch, labels in batches
    )
    return correct / len(images)


def _loader(
    images: ImageSet, data: DataSplits, augmentation: Augmentation | None = None, seed: int = 0
) -> Loader:
    return Loader(
        images,
        batch_size=_BATCH,
        mean=data.mean,
        std=data.std,
        augmentation=augmentation,
        seed=seed,
        num_workers=0,
    )


def _key(
    found: FoundTeacher,
    teacher: Teacher,
    kind: HeadKind,
    data: DataSplits,
    augmentation: Augmentation | None,
    seed: int,
) -> str:
    varied = asdict(augmentation) if augmentation else None
    parts = [found.fingerprint, asdict(teacher.wanted), kind, data.fingerprint, varied, seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _kept(path: Path, key: str) -> tuple[LinearHead | None, float] | None:
    """What an earlier call with this very key left."""
    try:
        metadata, tensors = read_tensors(path, most_bytes=_HEAD_BYTES)
        accuracy = float(metadata.get("accuracy", "nan"))
        if metadata.get("key") != key or not 0 <= accuracy <= 1:
            return None
        return LinearHead.of(tensors) if tensors else None, accuracy
    except (UnreadableFileError, KeyError, ValueError):  # none yet, or a damaged one: it is made again
        return None


def _keep(path: Path, key: str, head: LinearHead | None, accuracy: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {} if head is None else {name: one.contiguous() for name, one in head.tensors().items()}
    save_tensors(tensors, path, metadata={"key": key, "accuracy": repr(accuracy)})


def _record(
    settings: DistillationSettings, teacher: Teacher, kind: HeadKind, accuracy: float | None
) -> TeacherRecord:
    return TeacherRecord(
        name=teacher.name,
        resolution=teacher.wanted.resolution,
        mean=teacher.wanted.mean,
        std=teacher.wanted.std,
        head=kind,
        val_accuracy=accuracy,
        temperature=settings.temperature or _TEMPERATURES[kind],
        soft_weight=settings.soft_weight if kind != "none" else 0.0,
        feature_weight=settings.feature_weight,
    )
