"""The loss of a taught training: labels, soft labels and feature maps."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fbsearch.nn import Network
from fbsearch.records.training import TeacherRecord
from fbsearch.train.distillation.lesson import Lesson
from fbsearch.train.distillation.lessons import Lessons
from fbsearch.train.distillation.losses import feature_loss, soft_label_loss
from fbsearch.train.distillation.student import Student
from fbsearch.train.objective import Forward, Loss, TrainingBatch


class TaughtObjective:
    """``(1 - w) CE + w T² KL + v E``: see ``DistillationSettings``.

    Args:
        learner: the network, or the network with its projection where feature maps count.
        lessons: of the training's batches.
        teacher: T, w (0 where there are no soft labels) and v.
        label_smoothing: of the cross-entropy with the labels.
    """

    def __init__(
        self,
        learner: Network | Student,
        lessons: Lessons,
        teacher: TeacherRecord,
        *,
        label_smoothing: float,
    ) -> None:
        self.learner: nn.Module = learner
        self._projection = learner.projection if isinstance(learner, Student) else None
        self._lessons = lessons
        self._teacher = teacher
        self._label_smoothing = label_smoothing
        self.parts = (
            "label_loss",
            *(("soft_label_loss",) if teacher.soft_weight else ()),
            *(("feature_loss",) if self._projection is not None else ()),
        )

    def loss(self, forward: Forward, batch: TrainingBatch) -> Loss:
        """As :meth:`fbsearch.train.objective.Objective.loss`."""
        lesson = self._lessons.of(batch)
        output = forward(batch.images)
        logits, projected = (output, None) if self._projection is None else output
        logits = logits.float()
        parts = {"label_loss": batch.labels.loss(logits, label_smoothing=self._label_smoothing)}
        soft_weight = self._teacher.soft_weight
        total = (1 - soft_weight) * parts["label_loss"]
        if soft_weight:
            parts["soft_label_loss"] = self._soft_labels(logits, lesson)
            total = total + soft_weight * parts["soft_label_loss"]
        if projected is not None and lesson.features is not None:
            parts["feature_loss"] = feature_loss(projected.float(), lesson.features)
            total = total + self._teacher.feature_weight * parts["feature_loss"]
        return Loss(total, logits, parts)

    def view(self, epoch: int) -> int:
        """The epoch itself, or one of the few that are shown again and again."""
        return epoch % self._lessons.num_views if self._lessons.num_views else epoch

    def state_dict(self) -> dict[str, Any]:
        """The projection."""
        return {} if self._projection is None else {"projection": dict(self._projection.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the projection."""
        if self._projection is not None:
            self._projection.load_state_dict(state["projection"])

    def _soft_labels(self, logits: Tensor, lesson: Lesson) -> Tensor:
        return soft_label_loss(logits, lesson.logits, temperature=self._teacher.temperature)
