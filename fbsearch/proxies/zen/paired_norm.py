"""Batch norm of two batches that travel as one: each is normalised by its own statistics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbsearch.proxies.norms import replace_norms


@dataclass(frozen=True)
class NormVariance:
    """What a norm saw of the first batch.

    Args:
        mean: over channels, of the batch variance σ² (biased: that which normalises), a scalar.
        num_values: of which each channel's variance was taken.
    """

    mean: Tensor
    num_values: int


class PairedNorm(nn.Module):
    """Batch norm with scale 1 and shift 0, of both halves of a batch apart; there is no running average.

    Args:
        eps: as of the norm in whose place it stands.
        seen: where it writes down the variance of the first half.
    """

    def __init__(self, eps: float, seen: list[NormVariance]) -> None:
        super().__init__()
        self.eps = eps
        self._seen = seen

    def forward(self, x: Tensor) -> Tensor:
        """``2B x C x ...`` to the same shape."""
        halves = x.unflatten(0, (2, -1))
        axes = (1, *range(3, halves.ndim))
        variance, mean = torch.var_mean(halves, axes, correction=0, keepdim=True)
        self._seen.append(NormVariance(variance[0].mean(), x.numel() // (2 * x.shape[1])))
        normal = (halves - mean) * torch.rsqrt(variance + self.eps)
        return normal.flatten(0, 1)


def pair_norms(module: nn.Module) -> list[NormVariance]:
    """Put a :class:`PairedNorm` in the place of every batch norm of ``module``.

    Returns:
        What the norms see, in the order in which they run; filled by each run.
    """
    seen: list[NormVariance] = []
    replace_norms(module, lambda norm: PairedNorm(norm.eps, seen))
    return seen
