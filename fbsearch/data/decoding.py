"""From a file's bytes to pixels of the size and channels that are wanted."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fbsearch.data.room import Room

ByteArray = NDArray[np.uint8]
IntArray = NDArray[np.int64]

MAX_FILE_BYTES = 256 << 20
MAX_PIXELS = 80_000_000
"""Of an image as it is decoded, and of all that are decoded at once: 320 MB, as Pillow holds colours."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""What an image may be, whatever its name says: Pillow hands others to programs, EPS to Ghostscript."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")

_room = Room(MAX_PIXELS)


class CorruptImageError(Exception):
    """One image cannot be read; loading turns these into a report or a DataError."""


class ImageReader(Protocol):
    """Source images by number."""

    def name(self, index: int) -> str:
        """What people call the image: its path within the data set."""
        ...

    def open(self, index: int, *, size: int) -> AbstractContextManager[Image.Image]:
        """The image, gray or colour as stored; to be used within, where there is room for its pixels.

        Args:
            index: which.
            size: the shorter side that is needed; a JPEG may come scaled down to no less than this.

        Raises:
            CorruptImageError: if it cannot be read.
        """
        ...


@contextmanager
def decoded(data: bytes, *, size: int) -> Iterator[Image.Image]:
    """The image in a file's bytes, of several frames the first, turned upright.

    Raises:
        CorruptImageError: if it is none of :data:`FORMATS`, damaged, or larger than :data:`MAX_PIXELS`.
    """
    with _reported():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        num_pixels = image.width * image.height
        image.draft(None, (size, size))  # JPEG only: decodes at 1/2, 1/4 or 1/8, never below the size
    if image.width * image.height > MAX_PIXELS:
        raise CorruptImageError(
            f"{image.width} x {image.height} pixels: more than {MAX_PIXELS // 10**6} million; make it smaller"
        )
    with _room.taken(min(num_pixels, MAX_PIXELS)):  # of a progressive JPEG all are held, scaled or not
        with _reported():
            upright = _upright(image)
        yield upright


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    is_photograph = image.format in ("JPEG", "MPO")  # MPO: a JPEG with more of them behind it
    return ImageOps.exif_transpose(image) if is_photograph and image.getexif() else image


@contextmanager
def _reported() -> Iterator[None]:
    """Decoders raise whatever a damaged file leads them to; all of it is that the image is corrupt."""
    try:
        yield
    except Exception as error:
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
    return pixel_array(image)


def convert(image: Image.Image, in_channels: int) -> Image.Image:
    """The image as 8-bit gray or colour.

    Raises:
        CorruptImageError: if its pixels have no such form.
    """
    if image.mode == "F":
        raise CorruptImageError("its pixels are floating-point numbers: save it with 8 bits per channel")
    if image.mode.startswith("I"):  # 16-bit gray, which a plain conversion would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    mode = "L" if in_channels == 1 else "RGB"
    if image.mode == mode:
        return image
    try:
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # else Pillow warns about a palette with transparency
        if image.mode == "LAB":
            image = image.convert("RGB")  # the only way from there to gray
        return image.convert(mode)
    except (ValueError, ImportError):  # no such conversion, or one that this Pillow was built without
        raise CorruptImageError(f"its colours are {image.mode}: save it as gray or RGB") from None


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
        with reader.open(int(indices[row]), size=size) as image:
            pixels[row] = fit(image, size, in_channels)

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


def pixel_array(image: Image.Image) -> ByteArray:
    """``H x W x C``, C = 1 for gray."""
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def default_threads() -> int:
    """Threads for decoding: the processors this process may use, eight at most."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, affinity)
