"""Zen-NAS' residual blocks: what sets them apart from those of ResNets and of MobileNets."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fbsearch.architecture import Operator
from fbsearch.nn import build
from fbsearch.nn.blocks import NormedGates, ResidualBlock

BLOCKS = {
    "zenbasic_k3_h6_s1_c8-8_r8": [(3, 1), (3, 1)],
    "zenbottle_k5_h6_s1_c8-8_r8": [(1, 1), (5, 1), (1, 1)],
    "zenidw_k7_h6_s1_c8-8_r8": [(1, 1), (7, 6), (1, 1)],
}


def block(key: str) -> ResidualBlock:
    module = build(Operator.from_key(key))
    assert isinstance(module, ResidualBlock)
    return module


def images() -> torch.Tensor:
    return torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("key", BLOCKS, ids=str)
def test_a_branch_is_its_convolutions(key: str) -> None:
    branch = block(key).branch
    convolutions = [part for part in branch.modules() if isinstance(part, nn.Conv2d)]
    assert [(one.kernel_size[0], one.groups) for one in convolutions] == BLOCKS[key]
    assert all(one.bias is None for one in convolutions)
    norms = [part for part in branch.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) == len(convolutions) and {norm.eps for norm in norms} == {1e-3}


@pytest.mark.parametrize("key", BLOCKS, ids=str)
def test_a_relu_follows_the_sum_and_the_link_can_be_switched_off(key: str) -> None:
    module, x = block(key).eval(), images()
    branch = module.branch(x)
    assert torch.equal(module(x), torch.relu(x + branch))
    module.has_residual = False
    assert torch.equal(module(x), torch.relu(branch))


def test_projections_have_a_bias_and_stand_where_they_are_asked_for() -> None:
    for key in ("zenbasic_k3_h6_s1_proj_c8-8_r8", "zenbasic_k3_h6_s2_c8-8_r8", "zenbasic_k3_h6_s1_c8-9_r8"):
        shortcut = block(key).shortcut
        assert shortcut.conv.bias is not None and shortcut.norm.eps == 1e-3
    assert isinstance(block("zenbasic_k3_h6_s1_c8-8_r8").shortcut, nn.Identity)


def test_gates_stand_before_the_last_convolution_and_lie_between_0_and_1() -> None:
    for key, place in (("zenbasic_k3_h6_s1_se_c8-8_r8", 1), ("zenidw_k3_h6_s1_se_c8-8_r8", 2)):
        gates = block(key).branch[place]
        assert isinstance(gates, NormedGates)
        assert gates.reduce.conv.out_channels == round(6 * 0.25) and gates.reduce.conv.bias is None
        x = torch.ones(3, 6, 4, 4)
        assert ((gates.eval()(x) > 0) & (gates(x) < 1)).all()
