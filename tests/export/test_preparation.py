"""What converters are given: a copy whose norms are folded, whatever kind of block holds them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fbsearch.architecture import Operator
from fbsearch.export.operators import random_module
from fbsearch.export.preparation import prepared_copy


@pytest.mark.parametrize(
    "key",
    [
        "conv_k3_s2_relu_c3-16_r32",
        "mbconv_k5_e1_g2_s1_relu_c24-24_r14",
        "mbconv_k3_e3_s1_se0.25_hswish_c24-24_r14",
        "skip_s2_c16-24_r14",
    ],
)
def test_every_norm_is_folded(key: str) -> None:
    operator = Operator.from_key(key)
    module = random_module(operator)
    prepared = prepared_copy(module)
    assert any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in prepared.modules())
    inputs = torch.randn(2, operator.in_channels, operator.resolution, operator.resolution)
    with torch.no_grad():
        torch.testing.assert_close(prepared(inputs), module(inputs), atol=1e-4, rtol=1e-4)


def test_a_chain_with_a_forward_of_its_own_stays_as_it_is() -> None:
    class Swapped(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[0](self[1](x))

    chain = Swapped(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    assert isinstance(prepared_copy(chain)[1], nn.BatchNorm2d)
