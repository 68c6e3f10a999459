"""Loading the images that a space or a model takes, and remembering which they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader, load_data
from fbsearch.errors import DataError
from fbsearch.export import Preprocessing
from fbsearch.export.sidecar import Layout
from fbsearch.records import DataSettings, InputRecord
from fbsearch.spaces import Space, load_space


def load_splits(settings: DataSettings, *, resolution: int, in_channels: int, seed: int) -> DataSplits:
    """The images of ``settings`` at a network's input size.

    Raises:
        DataError: if they cannot be loaded.
    """
    return load_data(
        settings.source,
        resolution=resolution,
        in_channels=in_channels,
        seed=seed,
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        limit=settings.limit,
        skip_corrupt=settings.skip_corrupt,
    )


def augmentation_of(settings: DataSettings, data: DataSplits) -> Augmentation | None:
    """How training images vary: as set, or as suits the source."""
    chosen = settings.augmentation
    if chosen is None:
        return data.augmentation
    return Augmentation(padding=chosen.padding, flip=chosen.flip, min_crop_area=chosen.min_crop_area)


def space_for(data_classes: int, source: str, **fields: int | float | None) -> Space:
    """A space with as many classes as the data, where ``fields`` do not say how many.

    Raises:
        DataError: if they say another number.
    """
    if fields.get("num_classes") is None:
        fields["num_classes"] = data_classes
    space = load_space(source, **fields)
    check_classes(space.num_classes, data_classes)
    return space


def check_classes(num_classes: int, data_classes: int) -> None:
    """Refuse data with another number of classes than a network tells apart.

    Raises:
        DataError: naming both numbers.
    """
    if num_classes != data_classes:
        raise DataError(
            f"the network tells {num_classes} classes apart, the data has {data_classes}: "
            f"set num_classes to {data_classes} in the space, and profile it again"
        )


def calibration_inputs(
    images: ImageSet, preprocessing: Preprocessing, *, count: int, seed: int
) -> NDArray[np.float32]:
    """Up to ``count`` images drawn at random, preprocessed: ``N x C x H x W``."""
    chosen = np.random.default_rng([seed, 7]).permutation(len(images))[:count]
    loader = Loader(images.subset(chosen), batch_size=64, mean=preprocessing.mean, std=preprocessing.std)
    return np.concatenate([batch.contiguous().numpy() for batch, _ in loader.epoch(0)])


def load_recorded(inputs: InputRecord) -> DataSplits:
    """The images that a network was trained on, again."""
    return load_splits(
        inputs.data, resolution=inputs.resolution, in_channels=inputs.in_channels, seed=inputs.seed
    )


def preprocessing_of(inputs: InputRecord, layout: Layout) -> Preprocessing:
    """How to feed an exported model of a network.

    Args:
        inputs: what the network was fed with.
        layout: of the model's input.
    """
    return Preprocessing(
        resolution=inputs.resolution,
        in_channels=inputs.in_channels,
        mean=inputs.mean,
        std=inputs.std,
        layout=layout,
        class_names=inputs.class_names,
    )
