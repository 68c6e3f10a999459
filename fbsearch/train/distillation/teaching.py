"""A taught training, made ready: the teacher found, its head fitted, its answers kept where they can be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fbsearch.errors import InvalidInputError
from fbsearch.nn import Network, example_input
from fbsearch.records.training import TeacherRecord
from fbsearch.train.acceleration import seeded
from fbsearch.train.distillation.keeping import keep_answers
from fbsearch.train.distillation.lessons import AskedLessons, common_size
from fbsearch.train.distillation.objective import TaughtObjective
from fbsearch.train.distillation.preparing import PreparedTeacher, prepare_teacher
from fbsearch.train.distillation.settings import DistillationSettings
from fbsearch.train.distillation.student import Student
from fbsearch.train.distillation.taught import TaughtTraining


@dataclass(frozen=True)
class Teaching:
    """A taught training.

    Args:
        objective: what it minimises.
        record: what to tell of the teacher.
        fingerprint: of the teacher and its head: a training goes on only with the same.
    """

    objective: TaughtObjective
    record: TeacherRecord
    fingerprint: str


def make_teaching(training: TaughtTraining, *, progress: bool) -> Teaching:
    """The objective of a training with a teacher, whose answers are asked for and kept where they can be.

    Args:
        training: that is taught; its settings say by whom.
        progress: show progress.

    Raises:
        InvalidInputError: if there is no such teacher, or it does not fit the data, the network or the
            settings.
    """
    distillation = training.settings.distillation
    assert distillation is not None
    _check(training, distillation)
    prepared = prepare_teacher(
        distillation,
        training.data,
        augmentation=training.augmentation,
        folder=training.teacher_folder,
        device=training.accelerator.device,
        seed=training.seed,
    )
    learner, asked = _learner(training, distillation, prepared)
    kept = keep_answers(training, prepared, asked, cache_mib=distillation.cache_mib, progress=progress)
    objective = TaughtObjective(
        learner,
        kept or asked,
        prepared.record,
        label_smoothing=training.settings.label_smoothing,
    )
    record = prepared.record.model_copy(update={"keeps_outputs": kept is not None})
    return Teaching(objective, record, prepared.fingerprint)


def _check(training: TaughtTraining, distillation: DistillationSettings) -> None:
    settings = training.settings
    if distillation.augmented_epochs and (settings.mixup_alpha or settings.random_erasing):
        raise InvalidInputError(
            f"distillation.augmented_epochs {distillation.augmented_epochs} repeats images, but mixup_alpha "
            f"{settings.mixup_alpha} and random_erasing {settings.random_erasing} change them each time: "
            "set both to 0, or augmented_epochs to 0"
        )


def _learner(
    training: TaughtTraining, distillation: DistillationSettings, prepared: PreparedTeacher
) -> tuple[Network | Student, AskedLessons]:
    """The network, with a projection of its feature map where that counts, and the teacher to be asked."""
    network, num_views = training.network, distillation.augmented_epochs if training.varies else 0
    if not distillation.feature_weight:
        return network, AskedLessons(prepared.teacher, map_size=None, num_views=num_views)
    own, taught = _own_map(network), prepared.example.features
    assert taught is not None  # or it had been refused
    size = common_size(own, taught)
    with seeded(training.seed, 1):
        student = Student(network, own.shape[1], taught.shape[1], size)
    return student, AskedLessons(prepared.teacher, map_size=size, num_views=num_views)


@torch.no_grad()
def _own_map(network: Network) -> Tensor:
    was_training, device = network.training, next(network.parameters()).device
    features, _ = network.eval().with_features(example_input(network.architecture).to(device))
    network.train(was_training)
    if features.dim() != 4:
        raise InvalidInputError(
            f"architecture {network.architecture.name!r}: its last node takes no feature map: "
            "set distillation.feature_weight to 0"
        )
    return features
