"""The convolutions of cell spaces: ReLU first, batch norm last.

The ReLU is never in place: in a cell, others take the same input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.conv import ConvNorm


class PreActivated(nn.Sequential):
    """Stages in turn, of which the last is a convolution with its norm, so that a factor may move into it."""

    passes_input = False

    def scaled_branch(self, x: Tensor, factor: Tensor) -> Tensor:
        """``factor`` times the block's output."""
        *before, last = self
        for stage in before:
            x = stage(x)
        assert isinstance(last, ConvNorm)
        return last.scaled_branch(x, factor)


def _depthwise(channels: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    return nn.Conv2d(
        channels, channels, kernel, stride, padding, dilation=dilation, groups=channels, bias=False
    )


@build.register
def _build_relu_conv(op: operators.ReluConv) -> nn.Module:
    conv = ConvNorm(op.in_channels, op.out_channels, op.kernel, stride=op.stride, groups=op.groups)
    return PreActivated(nn.ReLU(), conv)


@build.register
def _build_separable(op: operators.SepConv) -> nn.Module:
    return PreActivated(
        nn.ReLU(),
        _depthwise(op.in_channels, op.kernel, stride=op.stride, dilation=op.dilation),
        ConvNorm(op.in_channels, op.out_channels, 1),
        nn.ReLU(),
        _depthwise(op.out_channels, op.kernel, dilation=op.dilation),
        ConvNorm(op.out_channels, op.out_channels, 1),
    )


@build.register
def _build_dilated(op: operators.DilConv) -> nn.Module:
    return PreActivated(
        nn.ReLU(),
        _depthwise(op.in_channels, op.kernel, stride=op.stride, dilation=op.dilation),
        ConvNorm(op.in_channels, op.out_channels, 1),
    )


@build.register
def _build_asymmetric(op: operators.AsymConv) -> nn.Module:
    half = op.kernel // 2
    row = nn.Conv2d(op.in_channels, op.out_channels, (1, op.kernel), (1, op.stride), (0, half), bias=False)
    column = ConvNorm(op.out_channels, op.out_channels, (op.kernel, 1), stride=(op.stride, 1))
    return PreActivated(nn.ReLU(), row, column)


class FactorisedReduce(nn.Module):
    """Half of the output's channels from the pixels at even places, half from those moved by one."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = ConvNorm(in_channels, out_channels // 2, 1, stride=2)
        self.odd = ConvNorm(in_channels, out_channels - out_channels // 2, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``B x Cin x H x W`` to ``B x Cout x ceil(H / 2) x ceil(W / 2)``."""
        x = self.relu(x)
        is_odd = x.shape[-1] % 2  # of an even number of pixels, every other has one after it
        moved = functional.pad(x, (0, 1, 0, 1)) if is_odd else x
        return torch.cat((self.even(x), self.odd(moved[:, :, 1:, 1:])), 1)


@build.register
def _build_factorised(op: operators.FactorisedReduce) -> nn.Module:
    return FactorisedReduce(op.in_channels, op.out_channels)
