"""The images of a differentiable search: one share trains the weights, another the architecture."""

from __future__ import annotations

import numpy as np
from accelerate import Accelerator

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader, ProcessShare
from fbsearch.errors import DataError
from fbsearch.search.relaxed.settings import DnasSettings


def make_loader(
    images: ImageSet,
    *,
    data: DataSplits,
    settings: DnasSettings,
    seed: int,
    accelerator: Accelerator,
    augmentation: Augmentation | None = None,
    training: bool = True,
) -> Loader:
    """Batches for this process: shuffled full ones for training, else all images in order."""
    return Loader(
        images,
        batch_size=max(1, settings.batch_size // accelerator.num_processes),
        mean=data.mean,
        std=data.std,
        augmentation=augmentation,
        seed=seed,
        shuffle=training,
        drop_last=training,
        share=ProcessShare(accelerator.process_index, accelerator.num_processes) if training else None,
    )


def divide(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """A training set divided at random, class by class: the larger share, and ``fraction`` of it.

    Raises:
        DataError: if a share would be empty.
    """
    labels = np.asarray(images.labels)
    rng = np.random.default_rng([seed, 2])
    second: list[int] = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        second.extend(members[: round(len(members) * fraction)].tolist())
    first = np.setdiff1d(np.arange(len(labels)), second)
    if not second or not len(first):
        raise DataError(
            f"{len(labels)} training images cannot be divided {1 - fraction:g} to {fraction:g} "
            "between weights and architecture: add images"
        )
    return images.subset(first), images.subset(np.sort(second))
