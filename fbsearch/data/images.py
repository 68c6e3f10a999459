"""Pixels: where a batch of images of one size comes from, in memory or decoded when it is asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from fbsearch.data.augmentation import PHOTO_RESOLUTION, crop_box
from fbsearch.errors import DataError

ByteArray = NDArray[np.uint8]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MAX_FILE_BYTES = 256 << 20


class CorruptImageError(Exception):
    """One image cannot be read; loading turns these into a report or a DataError."""


class ImageReader(Protocol):
    """Source images by number."""

    def name(self, index: int) -> str:
        """What people call the image: its path within the data set."""
        ...

    def open(self, index: int, *, size: int) -> Image.Image:
        """The image, gray or colour as stored.

        Args:
            index: which.
            size: the shorter side that is needed; a JPEG may come scaled down to no less than this.

        Raises:
            CorruptImageError: if it cannot be read.
        """
        ...


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
                    f"corrupt image {self.reader.name(index)}: {error}; remove it, or load with skip_corrupt"
                ) from None
        return batch

    def _read_one(self, index: int, crop: FloatArray | None) -> ByteArray:
        stored = stored_resolution(self.resolution)
        if crop is None:
            margin = (stored - self.resolution) // 2
            shown = slice(margin, margin + self.resolution)
            return fit(self.reader.open(index, size=stored), stored, self.in_channels)[shown, shown]
        # A crop takes a third of the image's side or so and is enlarged: decode more pixels than are shown.
        image = convert(self.reader.open(index, size=2 * stored), self.in_channels)
        return _resized_crop(image, crop, self.resolution)


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


def decode(data: bytes, *, size: int) -> Image.Image:
    """The image in a file's bytes, turned upright.

    Raises:
        CorruptImageError: if it is none, or damaged.
    """
    try:
        image = Image.open(io.BytesIO(data))
        image.draft(None, (size, size))  # JPEG only: decodes at 1/2, 1/4 or 1/8, never below the size
        image.load()
        return ImageOps.exif_transpose(image) if image.format == "JPEG" and image.getexif() else image
    except Exception as error:  # decoders raise whatever a damaged file leads them to; all of it is reported
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorruptImageError("not an image" if "cannot identify" in reason else reason[:120]) from None


def fit(image: Image.Image, size: int, in_channels: int) -> ByteArray:
    """The largest central square of an image, resized to ``size x size x C``."""
    image = convert(image, in_channels)
    width, height = image.size
    side = min(width, height)
    if (width, height) != (size, size):
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box)
    return _pixels(image)


def convert(image: Image.Image, in_channels: int) -> Image.Image:
    """The image as 8-bit gray or colour.

    Raises:
        CorruptImageError: if its pixels have no such form.
    """
    if image.mode == "F":
        raise CorruptImageError("its pixels are floating-point numbers: save it with 8 bits per channel")
    if image.mode.startswith("I"):  # 16-bit gray, which a plain conversion would clip at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    mode = "L" if in_channels == 1 else "RGB"
    if image.mode == mode:
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # else Pillow warns about a palette with transparency
    return image.convert(mode)


def to_image(pixels: ByteArray) -> Image.Image:
    """``H x W x C`` as an image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def read_all(
    reader: ImageReader, indices: IntArray, *, size: int, in_channels: int, num_threads: int
) -> tuple[ByteArray, list[tuple[int, str]]]:
    """Decode images into one array, in threads (decoding and resizing release Python's lock).

    Returns:
        The pixels, ``N x size x size x C``, and for each corrupt image its row and what is wrong.
    """
    pixels = np.zeros((len(indices), size, size, in_channels), np.uint8)

    def read(row: int) -> None:
        pixels[row] = fit(reader.open(int(indices[row]), size=size), size, in_channels)

    return pixels, for_each_image(read, len(indices), num_threads=num_threads)


def for_each_image(action: Callable[[int], Any], count: int, *, num_threads: int) -> list[tuple[int, str]]:
    """Call ``action(row)`` for every row, in threads; the rows that were corrupt, with the reasons."""

    def run(rows: range) -> list[tuple[int, str]]:
        failures = []
        for row in rows:
            try:
                action(row)
            except CorruptImageError as error:  # noqa: PERF203  # per image on purpose
                failures.append((row, str(error)))
        return failures

    chunks = [range(start, min(start + 256, count)) for start in range(0, count, 256)]
    with ThreadPoolExecutor(num_threads) as pool:
        return [failure for failures in pool.map(run, chunks) for failure in failures]


def default_threads() -> int:
    """Threads for decoding: the processors this process may use, eight at most."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, affinity)


def _resized_crop(image: Image.Image, draw: FloatArray, size: int) -> ByteArray:
    box = crop_box(draw, *image.size)
    return _pixels(image.resize((size, size), Image.Resampling.BILINEAR, box))


def _pixels(image: Image.Image) -> ByteArray:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
