"""Whether a teacher's answers can be kept, and keeping them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial

from torch import Tensor

from fbsearch.data import Loader
from fbsearch.train.display import epoch_bar
from fbsearch.train.distillation.cache import CachedLessons, View, keep_lessons
from fbsearch.train.distillation.lesson import Lesson
from fbsearch.train.distillation.lessons import AskedLessons
from fbsearch.train.distillation.preparing import PreparedTeacher
from fbsearch.train.distillation.taught import TaughtTraining
from fbsearch.train.loaders import evaluation_loader

_log = logging.getLogger(__name__)

_MIB = 2**20


def keep_answers(
    training: TaughtTraining,
    prepared: PreparedTeacher,
    asked: AskedLessons,
    *,
    cache_mib: int,
    progress: bool,
) -> CachedLessons | None:
    """The answers to every image that the training will show; None where they cannot be kept.

    They cannot where images are another view of themselves each time. Where only room is lacking, or several
    processes share the images, that is told.
    """
    settings, num_views = training.settings, asked.num_views
    if settings.mixup_alpha or settings.random_erasing or (training.varies and not num_views):
        return None
    num_images = len(training.data.train) * max(1, num_views)
    obstacle = _obstacle(training, num_images * _num_bytes(asked.reduced(prepared.example)), cache_mib)
    if obstacle:
        _log.warning("teacher %s: it is asked about every batch: %s", prepared.teacher.name, obstacle)
        return None
    loader = training.loader()
    with epoch_bar("teacher", num_images, unit="image", enabled=progress) as show:
        lessons = keep_lessons(
            asked,
            _views(training, loader, num_views),
            folder=training.teacher_folder,
            key=_key(training, prepared, asked),
            report=lambda done: show(float(done), []),
        )
    return CachedLessons(lessons, loader, num_views=num_views, device=training.accelerator.device)


def _obstacle(training: TaughtTraining, num_bytes: int, cache_mib: int) -> str | None:
    """What keeps answers of that size from being kept."""
    num_processes = training.accelerator.num_processes
    if num_processes > 1:
        return f"{num_processes} processes share the images"
    if num_bytes > cache_mib * _MIB:
        return f"{num_bytes / _MIB:,.1f} MiB of outputs are more than distillation.cache_mib, {cache_mib:,}"
    return None


def _num_bytes(example: Lesson) -> int:
    """Of the answer to one image."""
    values = (example.logits, example.features)
    return sum(one[0].numel() * one.element_size() for one in values if one is not None)


def _views(training: TaughtTraining, loader: Loader, num_views: int) -> list[View]:
    """The batches of each view: as the training shows them, or, where images do not vary, as stored."""
    device = training.accelerator.device

    def images(loader: Loader, epoch: int) -> Iterator[Tensor]:
        return (batch.to(device) for batch, _ in loader.epoch(epoch))

    if num_views:
        return [partial(images, loader, view) for view in range(num_views)]
    stored = evaluation_loader(
        training.data.train, training.data, training.settings, accelerator=training.accelerator
    )
    return [partial(images, stored, 0)]


def _key(training: TaughtTraining, prepared: PreparedTeacher, asked: AskedLessons) -> str:
    """Of all that the answers and their order depend on."""
    parts = {
        "teacher": prepared.fingerprint,
        "data": training.data.fingerprint,
        "augmentation": asdict(training.augmentation) if training.augmentation else None,
        "seed": training.seed,
        "batch_size": training.settings.batch_size,
        "views": asked.num_views,
        "map_size": asked.map_size,
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
