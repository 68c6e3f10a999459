"""The training that a teacher helps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from fbsearch.data import Augmentation, DataSplits, Loader
from fbsearch.nn import Network
from fbsearch.train.loaders import training_loader
from fbsearch.train.settings import TrainSettings


@dataclass(frozen=True)
class TaughtTraining:
    """The training that is taught.

    Args:
        network: that learns, at its first weights.
        data: its images.
        settings: with distillation.
        augmentation: of the training images.
        seed: of everything random.
        accelerator: that trains.
        folder: of the training.
    """

    network: Network
    data: DataSplits
    settings: TrainSettings
    augmentation: Augmentation | None
    seed: int
    accelerator: Accelerator
    folder: Path

    @property
    def teacher_folder(self) -> Path:
        """The head's, and of what the teacher said."""
        return self.folder / "teacher"

    @property
    def varies(self) -> bool:
        """Whether images are another view of themselves each epoch."""
        return self.augmentation is not None and self.augmentation != Augmentation()

    def loader(self) -> Loader:
        """Its batches."""
        return training_loader(
            self.data,
            self.settings,
            augmentation=self.augmentation,
            seed=self.seed,
            accelerator=self.accelerator,
        )
