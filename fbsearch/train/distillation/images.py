"""The images that a teacher sees: those of the network, at the teacher's size and normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in a gray image (ITU-R BT.601), as Pillow converts."""


@dataclass(frozen=True)
class ImageFormat:
    """What images a network takes.

    Args:
        resolution: height and width in pixels.
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, likewise.
    """

    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def num_channels(self) -> int:
        """1 for gray, 3 for colour."""
        return len(self.mean)

    def __str__(self) -> str:
        mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"{self.resolution} px, mean {mean}, std {std}"


def reformat(images: Tensor, given: ImageFormat, wanted: ImageFormat) -> Tensor:
    """Images of one format in another; resized bilinearly, with antialiasing.

    Args:
        images: ``B x C x R x R``, normalised as ``given`` says.
        given: of ``images``.
        wanted: of the result.
    """
    if given == wanted:
        return images
    pixels = images * _per_channel(given.std, images) + _per_channel(given.mean, images)
    pixels = _recolour(pixels, wanted.num_channels)
    if pixels.shape[-1] != wanted.resolution:
        size = (wanted.resolution, wanted.resolution)
        pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
    return (pixels - _per_channel(wanted.mean, pixels)) / _per_channel(wanted.std, pixels)


def _recolour(pixels: Tensor, num_channels: int) -> Tensor:
    if pixels.shape[1] == num_channels:
        return pixels
    if num_channels == 1:
        return (pixels * _per_channel(_LUMA, pixels)).sum(1, keepdim=True)
    return pixels.expand(-1, num_channels, -1, -1)


def _per_channel(values: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(values, dtype=images.dtype, device=images.device).view(-1, 1, 1)
