"""What it costs to differ from a teacher."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

_LEAST_SQUARE = 1e-12
"""Of a feature map: one of zeros has no scale to measure an error by."""


def soft_label_loss(logits: Tensor, taught: Tensor, *, temperature: float) -> Tensor:
    """How far the network's class scores are from the teacher's, both softened (Hinton et al., 2015).

    ``T² KL(softmax(taught / T) || softmax(logits / T))``, the mean over images. T² keeps the gradient's size
    whatever the temperature.

    Args:
        logits: ``B x classes``, of the network.
        taught: ``B x classes``, of the teacher.
        temperature: T; the higher, the more the classes that are not meant count.

    Returns:
        A scalar.
    """
    divergence = functional.kl_div(
        (logits / temperature).log_softmax(1),
        (taught / temperature).log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )
    return temperature**2 * divergence


def feature_loss(projected: Tensor, taught: Tensor) -> Tensor:
    """How far the network's projected feature map is from the teacher's (Romero et al., 2015, eq. 3).

    ``|projected - taught|² / |taught|²`` over the batch: 0 for a match, 1 for a map of zeros, so that the
    loss weighs alike with every teacher.

    Args:
        projected: ``B x C x H x W``.
        taught: likewise.

    Returns:
        A scalar.
    """
    square = taught.square().mean().clamp(min=_LEAST_SQUARE)
    return functional.mse_loss(projected, taught) / square
