"""Where branches meet, or end."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build


class Add(nn.Module):
    """The sum of its inputs, all ``B x C x H x W``."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """To ``B x C x H x W``."""
        return reduce(torch.add, inputs)


class Concat(nn.Module):
    """Its inputs, all ``B x C x H x W``, one after the other."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """To ``B x n C x H x W``."""
        return torch.cat(inputs, 1)


class Zero(nn.Module):
    """Zeros, whatever comes in; ``B x C x H x W`` to ``B x C x ceil(H / stride) x ceil(W / stride)``."""

    passes_input = False

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """A constant of the output's shape."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])

    def scaled_branch(self, x: Tensor, factor: Tensor) -> Tensor:
        """The same zeros."""
        return self(x)  # type: ignore[no-any-return]  # nn.Module returns Any


@build.register
def _build_add(op: operators.Add) -> nn.Module:
    return Add()


@build.register
def _build_concat(op: operators.Concat) -> nn.Module:
    return Concat()


@build.register
def _build_zero(op: operators.Zero) -> nn.Module:
    return Zero(op.stride)
