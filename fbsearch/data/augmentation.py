"""Random changes to training images: crops and flips, drawn first, then applied to whole batches.

Drawing is apart from applying so that what happens to an image depends on the seed, the epoch and its place
in the epoch alone, not on how a batch is shared between processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fbsearch.errors import DataError

PHOTO_RESOLUTION = 96
"""From this resolution on images are treated as photographs: random resized crops, centre crops."""

NUM_DRAWS = 5


@dataclass(frozen=True)
class Augmentation:
    """How training images vary.

    Args:
        padding: pad by so many black pixels on each side, then crop to the old size at a random place.
        flip: mirror left and right with probability 1/2.
        min_crop_area: crop a random rectangle of at least this share of the image and resize it
            (Szegedy et al., 2015; 0.08 is usual on ImageNet); None: no such crops.

    Raises:
        DataError: if a value is out of range, or both kinds of crop are asked for.
    """

    padding: int = 0
    flip: bool = False
    min_crop_area: float | None = None

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise DataError(f"augmentation: padding must be 0 or more, not {self.padding}")
        if self.min_crop_area is not None and not 0 < self.min_crop_area <= 1:
            raise DataError(f"augmentation: min_crop_area must be in (0, 1], not {self.min_crop_area}")
        if self.padding and self.min_crop_area is not None:
            raise DataError("augmentation: choose padding or min_crop_area, not both")

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count x 5`` uniform numbers: two for the place, one for the flip, area and aspect ratio."""
        draws = rng.random((count, NUM_DRAWS))
        if self.min_crop_area is not None:
            draws[:, 3] = self.min_crop_area + (1 - self.min_crop_area) * draws[:, 3]
        return draws

    def crops(self, draws: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """``B x 4``: what :func:`crop_box` needs of the draws, or None without resized crops."""
        return None if self.min_crop_area is None else draws[:, [0, 1, 3, 4]]

    def apply(self, images: NDArray[np.uint8], draws: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Shift and flip a batch, ``B x H x W x C`` to the same shape."""
        if self.padding:
            images = _shift(images, self.padding, draws[:, :2])
        if self.flip:
            chosen = draws[:, 2] < 0.5
            images = images.copy()
            # take() moves whole pixels; a reversed slice would move single bytes, at half the speed.
            images[chosen] = images[chosen].take(np.arange(images.shape[2])[::-1], axis=2)
        return images


def default_augmentation(resolution: int, *, is_flippable: bool) -> Augmentation:
    """What suits images of a size: resized crops for photographs, shifts of an eighth for small ones."""
    if resolution >= PHOTO_RESOLUTION:
        return Augmentation(flip=is_flippable, min_crop_area=0.08)
    return Augmentation(padding=max(1, resolution // 8), flip=is_flippable)


def crop_box(draw: NDArray[np.float64], width: int, height: int) -> tuple[float, float, float, float]:
    """The rectangle (left, top, right, bottom) that a draw chooses in an image.

    Its area is the drawn share of the image's. Its aspect ratio lies between 3/4 and 4/3, evenly on a
    logarithmic scale, and where such a rectangle would not fit it is the nearest that does.

    Args:
        draw: place across, place down and aspect ratio as uniform numbers, area as a share, in the order
            (across, down, area, ratio).
        width: of the image, pixels.
        height: of the image, pixels.
    """
    across, down, share, aspect = draw
    area = share * width * height
    ratio = math.exp((2 * aspect - 1) * math.log(4 / 3))
    ratio = min(max(ratio, area / height**2), width**2 / area)
    crop_width, crop_height = min(width, math.sqrt(area * ratio)), min(height, math.sqrt(area / ratio))
    left, top = across * (width - crop_width), down * (height - crop_height)
    return left, top, min(width, left + crop_width), min(height, top + crop_height)


def _shift(images: NDArray[np.uint8], padding: int, places: NDArray[np.float64]) -> NDArray[np.uint8]:
    batch, height, width, channels = images.shape
    padded = np.zeros((batch, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    padded[:, padding:-padding, padding:-padding] = images
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    tops, lefts = np.floor(places * (2 * padding + 1)).astype(np.int64).T
    shifted: NDArray[np.uint8] = windows.transpose(0, 1, 2, 4, 5, 3)[np.arange(batch), tops, lefts]
    return shifted
