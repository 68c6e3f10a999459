"""Where a training's lessons come from: the teacher, asked about each batch, or what it said before."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional

from fbsearch.train.distillation.lesson import Lesson
from fbsearch.train.distillation.teacher import Teacher
from fbsearch.train.objective import TrainingBatch

MapSize = tuple[int, int]


class Lessons(Protocol):
    """The lessons of a training's batches.

    Args:
        num_views: epochs of images that are shown again and again; 0: each epoch has its own.
    """

    num_views: int

    def of(self, batch: TrainingBatch) -> Lesson:
        """The lesson of a batch."""
        ...


class AskedLessons:
    """The teacher is asked about every batch, as the network sees it: erased and mixed.

    Args:
        teacher: to be asked.
        map_size: height and width to which its feature maps are pooled; None: they are not wanted.
        num_views: as :class:`Lessons` has it.
    """

    def __init__(self, teacher: Teacher, *, map_size: MapSize | None, num_views: int) -> None:
        self.num_views = num_views
        self._teacher = teacher
        self.map_size = map_size

    def of(self, batch: TrainingBatch) -> Lesson:
        """As :meth:`Lessons.of`."""
        return self.ask(batch.images)

    def ask(self, images: Tensor) -> Lesson:
        """The lesson of images, with the feature map pooled."""
        return self.reduced(self._teacher.ask(images))

    def reduced(self, lesson: Lesson) -> Lesson:
        """What is wanted of an answer."""
        if self.map_size is None or lesson.features is None:
            return Lesson(lesson.logits, None)
        return Lesson(lesson.logits, pooled(lesson.features, self.map_size))


def common_size(first: Tensor, second: Tensor) -> MapSize:
    """The smaller height and width of two feature maps."""
    return min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3])


def pooled(features: Tensor, size: MapSize) -> Tensor:
    """A feature map averaged to a size: ``B x C x H x W`` to ``B x C x h x w``."""
    if tuple(features.shape[2:]) == size:
        return features
    return functional.adaptive_avg_pool2d(features, size)
