"""Pooling with 'same' padding."""

from __future__ import annotations

from torch import nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build


class AvgPool(nn.AvgPool2d):
    """The mean of those pixels of a window that lie within the image.

    Args:
        channels: of its input, ``B x C x H x H``.
        resolution: H.
        kernel: odd.
        stride: 1 or 2.
    """

    def __init__(self, channels: int, resolution: int, kernel: int, *, stride: int) -> None:
        super().__init__(kernel, stride, padding=kernel // 2, count_include_pad=False)
        self.channels = channels
        self.resolution = resolution


@build.register
def _build_average(op: operators.AvgPool) -> nn.Module:
    return AvgPool(op.in_channels, op.resolution, op.kernel, stride=op.stride)


@build.register
def _build_max(op: operators.MaxPool) -> nn.Module:
    return nn.MaxPool2d(op.kernel, op.stride, padding=op.kernel // 2)
