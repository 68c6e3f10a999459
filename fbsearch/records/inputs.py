"""``inputs.json``: what a trained network was fed with, so that others feed it alike."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from fbsearch.data import DataSplits
from fbsearch.records.record import FileRecord


class _Settings(BaseModel):
    """Settings that a person writes: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AugmentationSettings(_Settings):
    """How training images vary; see :class:`fbsearch.data.Augmentation`."""

    padding: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    min_crop_area: Annotated[float, Field(gt=0, le=1)] | None = None


class DataSettings(_Settings):
    """Which images.

    Args:
        source: ``digits``, a folder or a zip file of class folders, or the standard CIFAR-10 files.
        val_fraction: share of the training images that validate, where the source has no such split.
        test_fraction: share that tests, likewise.
        limit: at most so many images per split; None for all.
        skip_corrupt: go on without images that cannot be read, with a warning that names them.
        augmentation: None for what suits the source.
    """

    source: str
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    limit: Annotated[int, Field(ge=1)] | None = None
    skip_corrupt: bool = False
    augmentation: AugmentationSettings | None = None


class InputRecord(FileRecord):
    """The file.

    Args:
        data: which images.
        seed: of their split.
        resolution: height and width in pixels.
        in_channels: 1 or 3.
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, likewise.
        class_names: in the order of the outputs.
    """

    made_by: ClassVar[str] = "fbsearch train"

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
