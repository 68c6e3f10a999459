"""A training's batches: augmented ones to learn from, plain ones to be judged by."""

from __future__ import annotations

from accelerate import Accelerator

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader, ProcessShare
from fbsearch.errors import InvalidInputError
from fbsearch.train.settings import TrainSettings


def training_loader(
    data: DataSplits,
    settings: TrainSettings,
    *,
    augmentation: Augmentation | None,
    seed: int,
    accelerator: Accelerator,
) -> Loader:
    """This process' share of the training images, in full batches, in a new order each epoch.

    Raises:
        InvalidInputError: if the processes cannot share a batch evenly.
    """
    processes = accelerator.num_processes
    if settings.batch_size % processes:
        raise InvalidInputError(
            f"batch_size {settings.batch_size} is no multiple of the {processes} processes"
        )
    return Loader(
        data.train,
        batch_size=min(settings.batch_size, len(data.train)) // processes,
        mean=data.mean,
        std=data.std,
        augmentation=augmentation,
        seed=seed,
        drop_last=True,
        shuffle=True,
        num_workers=settings.num_workers,
        share=ProcessShare(accelerator.process_index, processes),
    )


def evaluation_loader(
    image_set: ImageSet, data: DataSplits, settings: TrainSettings, *, accelerator: Accelerator
) -> Loader:
    """This process' share of images as they are."""
    return Loader(
        image_set,
        batch_size=max(1, settings.batch_size // accelerator.num_processes),
        mean=data.mean,
        std=data.std,
        num_workers=settings.num_workers,
        share=ProcessShare(accelerator.process_index, accelerator.num_processes),
    )
