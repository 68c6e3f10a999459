"""Batch norm of two batches that travel as one: each is normalised by its own statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbsearch.proxies.norms import replace_norms


class PairedNorm(nn.Module):
    """Batch norm with scale 1 and shift 0, of both halves of a batch apart; there is no running average.

    Args:
        eps: as of the norm in whose place it stands.
        seen: where it writes down the mean over channels of the first half's batch variance σ² (biased: that
            which normalises), a scalar.
    """

    def __init__(self, eps: float, seen: list[Tensor]) -> None:
        super().__init__()
        self.eps = eps
        self._seen = seen

    def forward(self, x: Tensor) -> Tensor:
        """``2B x C x ...`` to the same shape."""
        mean, variance = paired_statistics(x)
        self.note(variance)
        scale = torch.rsqrt(variance + self.eps)
        halves = [
            torch.addcmul(per_channel(-mean[half] * scale[half], x), one, per_channel(scale[half], x))
            for half, one in enumerate(x.chunk(2))
        ]
        return torch.cat(halves)

    def note(self, variance: Tensor) -> None:
        """Write down the variances that it saw, ``2 x C``, of both halves."""
        self._seen.append(variance[0].mean())


def paired_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of both halves, ``2 x C`` each, of ``2B x C x ...``."""
    means, variances = zip(*map(_statistics, x.chunk(2)), strict=True)
    return torch.stack(means), torch.stack(variances)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.device.type == "cpu" and x.dtype == torch.float32:  # what batch norm itself runs, many times faster
        unused = x.new_zeros(2, x.shape[1])
        return torch.batch_norm_update_stats(x, unused[0], unused[1], 0.0)
    variance, mean = torch.var_mean(x, (0, *range(2, x.ndim)), correction=0)
    return mean, variance


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """``C`` numbers, to be combined with ``x``, ``B x C x ...``."""
    return values.view(1, -1, *(1 for _ in x.shape[2:]))


def pair_norms(module: nn.Module) -> list[Tensor]:
    """Put a :class:`PairedNorm` in the place of every batch norm of ``module``.

    Returns:
        The mean variances that the norms see, in the order in which they run; filled by each run.
    """
    seen: list[Tensor] = []
    replace_norms(module, lambda norm: PairedNorm(norm.eps, seen))
    return seen
