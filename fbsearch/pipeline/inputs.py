"""Loading the images that a space or a model takes, and remembering which they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fbsearch.data import Augmentation, DataSplits, ImageSet, Loader, load_data
from fbsearch.errors import CheckpointError, DataError
from fbsearch.export import Preprocessing
from fbsearch.files import read_json, write_json
from fbsearch.pipeline.recipe import DataSettings, validate_settings
from fbsearch.spaces import FactoredSpace, load_space, require_factored


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


def space_for(data_classes: int, source: str, **fields: int | float | None) -> FactoredSpace:
    """A space with as many classes as the data, where ``fields`` do not say how many.

    Raises:
        DataError: if they say another number.
    """
    if fields.get("num_classes") is None:
        fields["num_classes"] = data_classes
    space = require_factored(load_space(source, **fields), "a search")
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


@dataclass(frozen=True)
class InputRecord:
    """What a trained network was fed with: ``inputs.json`` of a run.

    Args:
        data: which images.
        seed: of their split.
        resolution: height and width in pixels.
        in_channels: 1 or 3.
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, likewise.
        class_names: in the order of the outputs.
    """

    data: DataSettings
    seed: int
    resolution: int
    in_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]

    @staticmethod
    def of(settings: DataSettings, data: DataSplits, seed: int) -> InputRecord:
        """The record of loaded data."""
        return InputRecord(
            data=settings,
            seed=seed,
            resolution=data.train.resolution,
            in_channels=data.train.in_channels,
            mean=tuple(data.mean),
            std=tuple(data.std),
            class_names=tuple(data.class_names),
        )

    def load_data(self) -> DataSplits:
        """The images again."""
        return load_splits(
            self.data, resolution=self.resolution, in_channels=self.in_channels, seed=self.seed
        )

    def preprocessing(self, layout: str) -> Preprocessing:
        """How to feed an exported model."""
        return Preprocessing(
            resolution=self.resolution,
            in_channels=self.in_channels,
            mean=self.mean,
            std=self.std,
            layout=layout,  # type: ignore[arg-type]  # checked by Preprocessing itself
            class_names=self.class_names,
        )

    def save(self, path: Path) -> None:
        """Write the record, atomically."""
        write_json(path, {**self.__dict__, "data": self.data.model_dump(mode="json")})

    @staticmethod
    def load(path: Path) -> InputRecord:
        """Read a record.

        Raises:
            CheckpointError: if it is missing or damaged.
        """
        try:
            raw: dict[str, Any] = read_json(path)
            return InputRecord(
                data=validate_settings(DataSettings, raw["data"], source=str(path)),
                seed=int(raw["seed"]),
                resolution=int(raw["resolution"]),
                in_channels=int(raw["in_channels"]),
                mean=tuple(map(float, raw["mean"])),
                std=tuple(map(float, raw["std"])),
                class_names=tuple(map(str, raw["class_names"])),
            )
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot read; 'fbsearch train' writes it: {error.strerror}"
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: damaged ({error!r}); train again") from None
