"""The settings of a search by trials."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from fbsearch.search.method_settings import MethodSettings, NonNegative
from fbsearch.train import DistillationSettings, TrainSettings


class ShortTrainingSettings(TrainSettings):
    """The training by which an architecture is judged: as a recipe's, but shorter."""

    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 64
    warmup_epochs: NonNegative = 1.0

    @field_validator("distillation")
    @classmethod
    def _without_teacher(cls, value: DistillationSettings | None) -> None:
        if value is not None:
            raise ValueError(
                "a trial is judged by what it learns without a teacher: set train.distillation, which is for "
                "the network that is found"
            )


class TrialSettings(MethodSettings):
    """How many architectures are tried, and how each is judged.

    Args:
        trials: how many.
        attempts: proposals for one trial; those that break a budget, or were tried before, are left aside.
        training: of every architecture, from random weights; the validation accuracy after it is the score.
    """

    trials: Annotated[int, Field(ge=1)] = 32
    attempts: Annotated[int, Field(ge=1)] = 1000
    training: ShortTrainingSettings = ShortTrainingSettings()

    @property
    def effort(self) -> str:
        """How much is done."""
        return f"{self.trials} trials of {self.training.epochs} epochs"
