"""Mixup and random erasing: changes to whole batches, on the training device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class MixedLabels:
    """Labels of a batch in which each image is ``share`` of one image and the rest of another.

    Args:
        first: ``B`` labels of the images with weight ``share``.
        second: ``B`` labels of the images with weight ``1 - share``.
        share: in [0, 1]; 1 without mixup.
    """

    first: Tensor
    second: Tensor
    share: float

    def loss(self, logits: Tensor, *, label_smoothing: float) -> Tensor:
        """Cross-entropy of ``B x classes`` logits, weighted between the two labels."""
        loss = functional.cross_entropy(logits, self.first, label_smoothing=label_smoothing)
        if self.share == 1.0:
            return loss
        other = functional.cross_entropy(logits, self.second, label_smoothing=label_smoothing)
        return self.share * loss + (1 - self.share) * other

    def num_correct(self, logits: Tensor) -> Tensor:
        """Number of correct predictions, weighted between the two labels."""
        predicted = logits.argmax(1)
        correct = (predicted == self.first).sum() * self.share
        return correct + (predicted == self.second).sum() * (1 - self.share)


def mixup(
    images: Tensor, labels: Tensor, *, alpha: float, generator: torch.Generator
) -> tuple[Tensor, MixedLabels]:
    """Blend each image with another of the batch (Zhang et al., 2018).

    Args:
        images: ``B x C x H x W``.
        labels: ``B``.
        alpha: of the Beta(alpha, alpha) distribution of the share; 0: no mixup.
        generator: on the CPU.
    """
    if alpha == 0.0:
        return images, MixedLabels(labels, labels, 1.0)
    # torch's Beta takes no generator.
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    others = torch.randperm(len(labels), generator=generator).to(labels.device)
    return images.lerp(images[others], 1 - share), MixedLabels(labels, labels[others], share)


def erase(images: Tensor, *, probability: float, generator: torch.Generator) -> Tensor:
    """Set a random rectangle of some images to 0, the mean (Zhong et al., 2020).

    The rectangle covers 2 % to 33 % of the image, its aspect ratio lies between 0.3 and 3.3.

    Args:
        images: ``B x C x H x W``, normalised.
        probability: that an image is changed.
        generator: on the CPU.
    """
    if probability == 0.0:
        return images
    batch, _, height, width = images.shape
    chosen, area, aspect, down, across = torch.rand((5, batch), generator=generator).to(images.device)
    area = (0.02 + 0.31 * area) * height * width
    ratio = torch.exp((2 * aspect - 1) * math.log(1 / 0.3))
    sides = ((area * ratio).sqrt().clamp(max=height), (area / ratio).sqrt().clamp(max=width))
    rows = _between(down * (height - sides[0]), sides[0], height)
    columns = _between(across * (width - sides[1]), sides[1], width)
    erased = rows[:, :, None] & columns[:, None, :] & (chosen < probability)[:, None, None]
    return images.masked_fill(erased[:, None], 0.0)


def _between(start: Tensor, length: Tensor, size: int) -> Tensor:
    """``B x size``: whether a place's centre lies within ``[start, start + length)``."""
    places = torch.arange(size, device=start.device) + 0.5
    return (places >= start[:, None]) & (places < (start + length)[:, None])
