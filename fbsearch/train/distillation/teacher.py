"""A teacher at work: asked about the network's images, it answers in the data's classes."""

from __future__ import annotations

import torch
from torch import Tensor

from fbsearch.errors import InvalidInputError
from fbsearch.train.distillation.head import LinearHead
from fbsearch.train.distillation.images import ImageFormat, reformat
from fbsearch.train.distillation.lesson import Lesson, TeacherModel


class Teacher:
    """A teacher's network behind a change of image format, with a head of the data's classes if need be.

    Args:
        name: how people call it.
        model: the network.
        given: the images that it is asked about, as the training normalises them.
        wanted: the images that its network takes.
        head: makes its class scores; None: its own outputs are.
    """

    def __init__(
        self,
        name: str,
        model: TeacherModel,
        *,
        given: ImageFormat,
        wanted: ImageFormat,
        head: LinearHead | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.given = given
        self.wanted = wanted
        self.head = head

    def with_head(self, head: LinearHead | None) -> Teacher:
        """The same with this head."""
        return Teacher(self.name, self.model, given=self.given, wanted=self.wanted, head=head)

    @torch.no_grad()
    def ask(self, images: Tensor) -> Lesson:
        """What it says of images ``B x C x R x R``, normalised as the training does.

        Raises:
            InvalidInputError: if its network does not take them, or answers NaN or infinity.
        """
        lesson = self.model(reformat(images, self.given, self.wanted))
        self._check(lesson, len(images))
        if self.head is None:
            return lesson
        return Lesson(self.head(lesson), lesson.features)

    def _check(self, lesson: Lesson, num_images: int) -> None:
        for kind, values in (("class scores", lesson.logits), ("feature map", lesson.features)):
            if values is None:
                continue
            if len(values) != num_images:
                raise InvalidInputError(
                    f"teacher {self.name}: {len(values)} {kind} of {num_images} images; one of each is needed"
                )
            if not bool(values.isfinite().all()):
                raise InvalidInputError(
                    f"teacher {self.name}: its {kind} hold NaN or infinity for images of {self.wanted}: "
                    "check its weights, and the resolution, mean and std of its images"
                )
