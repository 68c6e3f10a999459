"""The 5x5 depthwise convolution against PyTorch's own, outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fbsearch.nn.kernels.depthwise import is_wide_depthwise, wide_depthwise


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (7, 7), (8, 13), (14, 14)])
def test_equals_the_convolution_outputs_and_gradients(stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 8, 5, stride, padding=2, groups=8, bias=False).double()
    x = torch.randn(3, 8, *size, dtype=torch.float64).to(memory_format=torch.channels_last)
    x.requires_grad_()
    expected = conv(x)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (x, conv.weight), upstream)
    output = wide_depthwise(conv, x)
    torch.testing.assert_close(output, expected)
    for gradient, reference in zip(
        torch.autograd.grad(output, (x, conv.weight), upstream), wanted, strict=True
    ):
        torch.testing.assert_close(gradient, reference)


def test_a_frozen_weight_or_input_needs_no_gradient() -> None:
    conv = nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False)
    x = torch.randn(1, 4, 6, 6).to(memory_format=torch.channels_last)
    wide_depthwise(conv, x).sum().backward()
    assert conv.weight.grad is not None
    conv.weight.requires_grad_(False)
    x.requires_grad_()
    wide_depthwise(conv, x).sum().backward()
    assert x.grad is not None


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX2", reason="the detour pays on AVX2 processors only"
)
def test_serves_depthwise_5x5_in_channels_last_only() -> None:
    x = torch.randn(2, 6, 8, 8)
    last = x.to(memory_format=torch.channels_last)
    depthwise = nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False)
    assert is_wide_depthwise(depthwise, last)
    assert not is_wide_depthwise(depthwise, x)
    assert not is_wide_depthwise(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), last)
    assert not is_wide_depthwise(nn.Conv2d(6, 6, 5, padding=2, groups=2, bias=False), last)
    assert not is_wide_depthwise(nn.Conv2d(6, 6, 5, groups=6, bias=False), last)
    assert not is_wide_depthwise(depthwise, last.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_wide_depthwise(depthwise, last)
