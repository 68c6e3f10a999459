"""5x5 depthwise convolutions whose weights' gradient takes the processor's fast path.

On AVX2, oneDNN computes the weights' gradient of a depthwise convolution with vector code only for kernels at
most three columns wide; a 5x5 kernel takes a general path five to ten times slower than its forward pass
(docs/benchmarks.md). Here the five columns come from two gradients of three columns each, over the input
moved by one pixel to the right and to the left.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_KERNEL = 5


def is_wide_depthwise(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether :func:`wide_depthwise` serves ``conv`` over ``x``, and pays on this processor."""
    return (
        conv.kernel_size == (_KERNEL, _KERNEL)
        and conv.groups == conv.in_channels == conv.out_channels
        and conv.padding == (_KERNEL // 2, _KERNEL // 2)
        and conv.dilation == (1, 1)
        and conv.stride[0] == conv.stride[1]
        and conv.bias is None
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
    )


def wide_depthwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution: ``B x C x H x W`` to ``B x C x H/stride x W/stride``, channels last."""
    return _WideDepthwise.apply(x, conv.weight, conv.stride[0])  # type: ignore[no-any-return, no-untyped-call]


class _WideDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, _KERNEL // 2, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_input = _input_gradient(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        of_weight = _weight_gradient(gradient, x, ctx.stride) if ctx.needs_input_grad[1] else None
        return of_input, of_weight, None


def _input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    padding = _KERNEL // 2
    of_input: Tensor = _convolution_backward(gradient, x, weight, stride, (padding, padding), of_weight=False)
    return of_input


def _weight_gradient(gradient: Tensor, x: Tensor, stride: int) -> Tensor:
    """The weights' gradient ``C x 1 x 5 x 5``, for stride s and padding 2.

    dW[c, i, j] = sum over n, h, w of gradient[n, c, h, w] x[n, c, s h + i - 2, s w + j - 2].

    Columns 0 to 2 are the columns of a three-wide kernel over x moved to the right, 2 to 4 those over x moved
    to the left. The moved inputs lack a column of x at one border each: for the middle column, the
    last one's share is added; columns 0, 1, 3 and 4 never meet the lost pixels.
    """
    right, left = torch.empty_like(x), torch.empty_like(x)
    right[..., 1:], right[..., 0] = x[..., :-1], 0
    left[..., :-1], left[..., -1] = x[..., 1:], 0
    first = _columns(gradient, right, stride, width=3)
    last = _columns(gradient, left, stride, width=3)
    if (gradient.shape[3] - 1) * stride == x.shape[3] - 1:
        border = _columns(gradient[..., -1:], x[..., -1:], stride, width=1)
        first[..., 2:] += border
    return torch.cat((first, last[..., 1:]), 3)


def _columns(gradient: Tensor, x: Tensor, stride: int, *, width: int) -> Tensor:
    """The weights' gradient of a kernel 5 high and ``width`` wide, padded by 2 and ``width // 2``."""
    shape = x.new_empty((x.shape[1], 1, _KERNEL, width))
    columns: Tensor = _convolution_backward(
        gradient, x, shape, stride, (_KERNEL // 2, width // 2), of_weight=True
    )
    return columns


def _convolution_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], *, of_weight: bool
) -> Tensor:
    """PyTorch's own gradient of a depthwise convolution: of its weights, or of its input."""
    gradients = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight,
        None,
        [stride, stride],
        list(padding),
        [1, 1],
        False,
        [0, 0],
        x.shape[1],
        [not of_weight, of_weight, False],
    )
    return gradients[1] if of_weight else gradients[0]  # type: ignore[no-any-return]  # an untyped operator
