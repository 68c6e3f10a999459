"""What a teacher says of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fbsearch.train.distillation.images import ImageFormat


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of a batch.

    Args:
        logits: ``B x K`` class scores.
        features: ``B x C x H x W``, the map before its global pooling; None where it shows none.
    """

    logits: Tensor
    features: Tensor | None


class TeacherModel(Protocol):
    """A network that can only be asked."""

    def __call__(self, images: Tensor) -> Lesson:
        """Asked about ``B x C x R x R`` images in the teacher's format, in evaluation mode."""
        ...

    def to(self, device: torch.device) -> None:
        """Move to where images will be, if it can."""
        ...


@dataclass(frozen=True)
class FoundTeacher:
    """A teacher as it was found.

    Args:
        name: as a person named it.
        model: the network.
        fingerprint: equal for equal teachers.
        stated: the images that it takes, where it comes with a statement.
        resolution: of them, where that alone is known.
        class_names: of its outputs, where they are known.
    """

    name: str
    model: TeacherModel
    fingerprint: str
    stated: ImageFormat | None = None
    resolution: int | None = None
    class_names: tuple[str, ...] | None = None
