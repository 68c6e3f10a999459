"""1x1 convolutions over channels-last batches as matrix products.

In channels-last layout a 1x1 convolution is the product of the pixels' matrix ``N x Cin`` (N = B H W) with
the weights. On a CPU the matrix product is the faster form, above all backward (docs/benchmarks.md); with two
groups even though half of its multiplications are by zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_MOST_GROUPS = 2


def is_matrix_product(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether ``conv`` over ``x`` may be a matrix product: pointwise, few groups, channels last, on a CPU."""
    return (
        conv.kernel_size == (1, 1)
        and conv.stride == (1, 1)
        and conv.groups <= _MOST_GROUPS
        and conv.bias is None
        and not x.is_cuda
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution as a matrix product: ``B x Cin x H x W`` to ``B x Cout x H x W``, channels last."""
    weight = conv.weight.flatten(1)
    if conv.groups > 1:
        weight = torch.block_diag(*weight.chunk(conv.groups))  # type: ignore[no-untyped-call]
    return functional.linear(x.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)
