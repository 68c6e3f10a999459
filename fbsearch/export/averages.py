"""Average pools that TFLite has no kernel for, as convolutions.

TFLite's AVERAGE_POOL_2D pads an even number of pixels behind the image only, where torch pads in front of it.
At stride 2 the converter therefore writes two STABLEHLO_REDUCE_WINDOW and a DIV, which no delegate takes. A
depthwise convolution with zero padding gives the same sums, and a factor per pixel divides by how many there
were.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbsearch.nn.blocks import AvgPool


def with_convolved_averages(module: nn.Module) -> nn.Module:
    """``module`` with its average pools of stride 2 replaced, in place."""
    if isinstance(module, AvgPool) and module.stride == 2:
        return _ConvolvedAverage(module)
    for name, child in module.named_children():
        setattr(module, name, with_convolved_averages(child))
    return module


class _ConvolvedAverage(nn.Module):
    def __init__(self, pool: AvgPool) -> None:
        super().__init__()
        channels, kernel = pool.channels, pool.kernel_size
        self.sum = nn.Conv2d(
            channels, channels, kernel, pool.stride, pool.padding, groups=channels, bias=False
        )
        nn.init.ones_(self.sum.weight).requires_grad_(False)
        inside = self.sum(torch.ones(1, channels, pool.resolution, pool.resolution))
        self.register_buffer("share", 1 / inside[:, :1])

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x H`` to ``B x C x ceil(H / 2) x ceil(H / 2)``."""
        return self.sum(x) * self.get_buffer("share")  # type: ignore[no-any-return]  # nn.Module returns Any
