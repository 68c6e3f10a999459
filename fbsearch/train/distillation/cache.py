"""What a teacher said of every image, kept in memory and on disk.

The outputs lie in files of about a thousand images each, so that a killed training asks again about few.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from fbsearch.data import Loader
from fbsearch.errors import UnreadableFileError
from fbsearch.nn.tensor_file import read_tensors, save_tensors
from fbsearch.train.distillation.lesson import Lesson
from fbsearch.train.distillation.lessons import AskedLessons
from fbsearch.train.objective import TrainingBatch

View = Callable[[], Iterator[Tensor]]
"""Batches of images, always the same ones."""

_PART_IMAGES = 1024
_HEADER_BYTES = 2**20


class CachedLessons:
    """Lessons that are looked up.

    Args:
        lessons: of every view's images, one view after the other; rows are images.
        loader: the training's.
        num_views: as :class:`~fbsearch.train.distillation.lessons.Lessons` has it: with none, images do not
            vary, and their lessons lie in the images' order; else in the order in which a view shows them.
        device: where lessons are wanted.
    """

    def __init__(self, lessons: Lesson, loader: Loader, *, num_views: int, device: torch.device) -> None:
        self.num_views = num_views
        self._lessons = lessons
        self._loader = loader
        self._device = device

    def of(self, batch: TrainingBatch) -> Lesson:
        """The lesson of a batch."""
        start = batch.step * self._loader.batch_size
        if self.num_views:
            start += batch.epoch % self.num_views * len(self._loader) * self._loader.batch_size
            return self._rows(torch.arange(start, start + len(batch.images)))
        order = self._loader.order(batch.epoch)
        return self._rows(torch.from_numpy(order[start : start + len(batch.images)]))

    def _rows(self, rows: Tensor) -> Lesson:
        features = self._lessons.features
        return Lesson(
            self._lessons.logits[rows].to(self._device),
            None if features is None else features[rows].to(self._device),
        )


def keep_lessons(
    asked: AskedLessons, views: list[View], *, folder: Path, key: str, report: Callable[[int], None]
) -> Lesson:
    """Ask about every image of every view, but for those whose answers lie in the folder already.

    Args:
        asked: to be asked.
        views: one after the other.
        folder: for the answers.
        key: of all that they depend on; files of another key are written anew.
        report: told how many images are done, of all views together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Lesson] = []
    num_done = 0
    for number, view in enumerate(views):
        batches = view()
        for part in range(2**31):
            path = folder / f"lessons-{number:04d}-{part:04d}.safetensors"
            own_key = hashlib.sha256(json.dumps([key, number, part]).encode()).hexdigest()
            some = _next_part(batches)
            if not some:
                break
            parts.append(_kept(path, own_key) or _asked(asked, some, path, own_key))
            num_done += len(parts[-1].logits)
            report(num_done)
    return _joined(parts)


def _next_part(batches: Iterator[Tensor]) -> list[Tensor]:
    first = next(batches, None)
    if first is None:
        return []
    return [first, *islice(batches, max(0, _PART_IMAGES // len(first) - 1))]


def _asked(asked: AskedLessons, batches: list[Tensor], path: Path, key: str) -> Lesson:
    lesson = _joined([_on_cpu(asked.ask(images)) for images in batches])
    tensors = {"logits": lesson.logits}
    if lesson.features is not None:
        tensors["features"] = lesson.features
    save_tensors(tensors, path, metadata={"key": key})
    return lesson


def _kept(path: Path, key: str) -> Lesson | None:
    try:
        metadata, tensors = read_tensors(path, most_bytes=2**32 + _HEADER_BYTES)
        if metadata.get("key") != key:
            return None
        return Lesson(tensors["logits"], tensors.get("features"))
    except (UnreadableFileError, KeyError):  # none yet, or a damaged one: the teacher is asked again
        return None


def _on_cpu(lesson: Lesson) -> Lesson:
    features = lesson.features
    return Lesson(lesson.logits.cpu(), None if features is None else features.cpu())


def _joined(lessons: list[Lesson]) -> Lesson:
    maps = [lesson.features for lesson in lessons if lesson.features is not None]
    logits = torch.cat([lesson.logits for lesson in lessons]).contiguous()
    return Lesson(logits, torch.cat(maps).contiguous() if maps else None)
