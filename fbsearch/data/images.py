"""Pixels: where a batch of images of one size comes from, in memory or decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fbsearch.data.augmentation import PHOTO_RESOLUTION, crop_box
from fbsearch.data.decoding import (
    ByteArray,
    CorruptImageError,
    ImageReader,
    IntArray,
    convert,
    fit,
    pixel_array,
    to_image,
)
from fbsearch.errors import DataError

FloatArray = NDArray[np.float64]


class Pixels(Protocol):
    """Images of one size by position."""

    @property
    def resolution(self) -> int:
        """Height and width R in pixels."""
        ...

    @property
    def in_channels(self) -> int:
        """1 for gray, 3 for colour."""
        ...

    def __len__(self) -> int: ...

    def read(self, positions: IntArray, crops: FloatArray | None = None) -> ByteArray:
        """``B`` positions to ``B x R x R x C``.

        Args:
            positions: which images.
            crops: ``B x 4`` uniform numbers that choose a random resized crop each; without them the
                centre of the image is shown.

        Raises:
            DataError: if an image turns out to be corrupt.
        """
        ...


@dataclass(frozen=True)
class MemoryPixels:
    """Decoded images, ``N x S x S x C``, shown at ``resolution`` R <= S."""

    stored: ByteArray
    resolution: int

    @property
    def in_channels(self) -> int:
        """1 for gray, 3 for colour."""
        return int(self.stored.shape[3])

    def __len__(self) -> int:
        return len(self.stored)

    def read(self, positions: IntArray, crops: FloatArray | None = None) -> ByteArray:
        """As :meth:`Pixels.read`."""
        if crops is None:
            margin = (self.stored.shape[1] - self.resolution) // 2
            shown = slice(margin, margin + self.resolution)
            chosen: ByteArray = self.stored[positions]
            return chosen[:, shown, shown]
        images = (to_image(self.stored[position]) for position in positions)
        return np.stack(
            [_resized_crop(image, draw, self.resolution) for image, draw in zip(images, crops, strict=True)]
        )


@dataclass(frozen=True)
class LazyPixels:
    """Images that are decoded each time they are asked for."""

    reader: ImageReader
    indices: IntArray
    resolution: int
    in_channels: int

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, positions: IntArray, crops: FloatArray | None = None) -> ByteArray:
        """As :meth:`Pixels.read`."""
        shape = (len(positions), self.resolution, self.resolution, self.in_channels)
        batch = np.empty(shape, np.uint8)
        for row, index in enumerate(self.indices[positions].tolist()):
            try:
                batch[row] = self._read_one(index, None if crops is None else crops[row])
            except CorruptImageError as error:  # noqa: PERF203  # names the image
                raise DataError(
                    f"corrupt image {self.reader.name(index)}: {error}; remove it, or leave it out "
                    "with --skip-corrupt"
                ) from None
        return batch

    def _read_one(self, index: int, crop: FloatArray | None) -> ByteArray:
        stored = stored_resolution(self.resolution)
        if crop is None:
            margin = (stored - self.resolution) // 2
            shown = slice(margin, margin + self.resolution)
            with self.reader.open(index, size=stored) as image:
                return fit(image, stored, self.in_channels)[shown, shown]
        # A crop takes a third of the image's side or so and is enlarged: decode more pixels than are shown.
        with self.reader.open(index, size=2 * stored) as image:
            return _resized_crop(convert(image, self.in_channels), crop, self.resolution)


@dataclass(frozen=True)
class ImageSet:
    """Images with labels.

    Args:
        pixels: the images.
        labels: ``N`` class indices.
    """

    pixels: Pixels
    labels: IntArray

    def __post_init__(self) -> None:
        assert len(self.pixels) == len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return self.pixels.resolution

    @property
    def in_channels(self) -> int:
        """1 for gray, 3 for colour."""
        return self.pixels.in_channels

    @property
    def is_in_memory(self) -> bool:
        """Whether reading costs no decoding."""
        return isinstance(self.pixels, MemoryPixels)

    @property
    def images(self) -> Tensor:
        """All images as uint8 ``N x C x H x W`` (channels last in memory); large sets are decoded for it."""
        return self.read(np.arange(len(self)))

    def read(self, positions: Sequence[int] | IntArray) -> Tensor:
        """The images at ``positions`` as uint8 ``B x C x H x W`` (channels last in memory)."""
        return torch.from_numpy(self.pixels.read(np.asarray(positions, np.int64))).permute(0, 3, 1, 2)

    def subset(self, positions: Sequence[int] | IntArray) -> ImageSet:
        """The images at ``positions``, in that order."""
        chosen = np.asarray(positions, np.int64)
        pixels: Pixels
        if isinstance(self.pixels, MemoryPixels):
            pixels = MemoryPixels(self.pixels.stored[chosen], self.resolution)
        else:
            assert isinstance(self.pixels, LazyPixels)
            pixels = LazyPixels(
                self.pixels.reader, self.pixels.indices[chosen], self.resolution, self.in_channels
            )
        return ImageSet(pixels, self.labels[chosen])


def stored_resolution(resolution: int) -> int:
    """Side at which an image is kept: photographs a little larger than shown, 256 for 224.

    Evaluation then shows the centre, as is usual on ImageNet, and random crops have something to crop.
    """
    return round(resolution * 256 / 224) if resolution >= PHOTO_RESOLUTION else resolution


def _resized_crop(image: Image.Image, draw: FloatArray, size: int) -> ByteArray:
    box = crop_box(draw, *image.size)
    return pixel_array(image.resize((size, size), Image.Resampling.BILINEAR, box))
