"""Operators as modules: shapes, residuals, shuffles, drop-path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fbsearch.architecture import ACTIVATIONS, Operator
from fbsearch.architecture.operators import Conv, Skip
from fbsearch.architecture.operators import MBConv as MBConvOperator
from fbsearch.nn import build
from fbsearch.nn.blocks import ChannelShuffle, Classifier, MBConv, SqueezeExcite
from fbsearch.nn.blocks.conv import build_activation, drop_path
from fbsearch.nn.kernels.pointwise import is_matrix_product, pointwise
from fbsearch.spaces import load_space, preset_names

BLOCK = MBConvOperator(8, 8, 6, kernel=3, expansion=3, activation="relu")

EXTRA = [
    replace(BLOCK, squeeze_excite=0.25, activation="hswish"),
    replace(BLOCK, expansion=1, full_expand=True),
    replace(BLOCK, expansion=1, groups=2),
    replace(BLOCK, groups=4, kernel=7, stride=2, resolution=7),
    replace(BLOCK, activation="identity", resolution=1, stride=2),
    Conv(6, 9, 5, kernel=5, stride=2, groups=3, activation="swish"),
    Skip(8, 12, 5, stride=2),
]


def expected_shape(op: Operator, batch: int) -> tuple[int, ...]:
    return (batch, *op.output.dimensions)


@pytest.mark.parametrize("name", preset_names())
def test_every_operator_of_a_preset_has_the_shape_it_says(name: str) -> None:
    space = load_space(name)
    sampled = space.decode(space.sample(np.random.default_rng(0)))
    with torch.device("meta"):
        for op in space.operators() or sampled.operators():
            inputs = [torch.empty(2, *shape.dimensions) for shape in op.inputs]
            assert build(op).eval()(*inputs).shape == expected_shape(op, 2), op.key


@pytest.mark.parametrize("op", EXTRA, ids=str)
def test_rarer_operators_run_and_learn(op: Operator) -> None:
    module = build(op)
    x = torch.randn(3, op.in_channels, op.resolution, op.resolution, requires_grad=True)
    out = module(x)
    assert out.shape == expected_shape(op, 3)
    out.square().sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all()
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("op", [op for op in EXTRA if op.kind == "mbconv"], ids=str)
def test_the_parts_follow_the_operator(op: Operator) -> None:
    module = build(op)
    assert isinstance(module, MBConv)
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.bias is None]
    assert len(convolutions) == 2 + op.has_expand
    depthwise = convolutions[-2]
    assert depthwise.groups == depthwise.in_channels == op.hidden_channels
    assert depthwise.kernel_size == (op.kernel, op.kernel)
    assert convolutions[-1].groups == op.groups
    assert any(isinstance(m, ChannelShuffle) for m in module.modules()) == (op.groups > 1)
    assert any(isinstance(m, SqueezeExcite) for m in module.modules()) == (op.squeeze_excite > 0)


def test_the_projection_has_no_activation() -> None:
    module = build(replace(BLOCK, out_channels=12)).eval()
    assert (module(torch.randn(4, 8, 6, 6)) < 0).any()


def test_the_residual_is_added_where_shapes_match() -> None:
    x = torch.randn(2, 8, 6, 6)
    for op in (BLOCK, replace(BLOCK, stride=2), replace(BLOCK, out_channels=12)):
        module = build(op).eval()
        branch = module.stages(x)
        torch.testing.assert_close(module(x), x + branch if op.has_residual else branch)


def test_identity_returns_its_input() -> None:
    x = torch.randn(2, 8, 6, 6)
    assert build(Skip(8, 8, 6))(x) is x


def test_a_shuffle_is_a_permutation_that_mixes_groups() -> None:
    x = torch.arange(12.0).view(1, 12, 1, 1).expand(2, 12, 3, 3)
    shuffled = ChannelShuffle(3)(x)
    order = shuffled[0, :, 0, 0].tolist()
    assert sorted(order) == list(range(12))
    assert order[:3] == [0, 4, 8]
    torch.testing.assert_close(ChannelShuffle(4)(shuffled), x.contiguous())  # its inverse: channels / groups


def test_a_shuffle_leaves_the_layout_as_it_is() -> None:
    x = torch.randn(2, 12, 5, 4)
    last = ChannelShuffle(3)(x.to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last) and ChannelShuffle(3)(x).is_contiguous()
    torch.testing.assert_close(last, ChannelShuffle(3)(x), rtol=0, atol=0)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_matrix_product_equals_the_pointwise_convolution(groups: int) -> None:
    conv = nn.Conv2d(6, 10, 1, groups=groups, bias=False).double()
    x = torch.randn(2, 6, 5, 4).double().to(memory_format=torch.channels_last).requires_grad_()
    assert is_matrix_product(conv, x)
    expected, output = conv(x), pointwise(conv, x)
    torch.testing.assert_close(output, expected)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (x, conv.weight), upstream)
    for one, other in zip(torch.autograd.grad(output, (x, conv.weight), upstream), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_a_grouped_block_of_expansion_1_still_mixes_its_groups() -> None:
    torch.manual_seed(0)
    module = build(replace(BLOCK, out_channels=16, expansion=1, groups=2)).eval()
    x = torch.randn(1, 8, 6, 6, requires_grad=True)
    module(x)[:, :8].sum().backward()  # the first output group
    assert x.grad is not None
    assert (x.grad.abs().sum((0, 2, 3)) > 0).tolist() == [
        True,
        True,
        False,
        False,
    ] * 2  # takes from both halves


def test_drop_path_keeps_the_expectation_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    x = torch.ones(20_000, 2, 1, 1)
    dropped = drop_path(x, 0.3, True)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (dropped[:, 0] == dropped[:, 1]).all()
    values = dropped[:, 0].flatten().unique()
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / 0.7]))
    assert drop_path(x, 0.3, False) is x
    assert drop_path(x, 0.0, True) is x


def test_squeeze_excite_gates_channels_between_0_and_1() -> None:
    x = torch.rand(2, 8, 4, 4) + 0.1
    ratio = SqueezeExcite(8, 2)(x) / x
    assert ((ratio >= 0) & (ratio <= 1)).all()
    torch.testing.assert_close(ratio.amax((2, 3)), ratio.amin((2, 3)))


def test_the_classifier_pools_globally() -> None:
    classifier = Classifier(5, 3).eval()
    x = torch.randn(2, 5, 4, 4)
    torch.testing.assert_close(classifier(x), classifier.linear(x.mean((2, 3))))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_modules(name: str) -> None:
    x = torch.linspace(-8, 8, 33)
    expected = {
        "identity": x,
        "relu": x.clamp(min=0),
        "relu6": x.clamp(0, 6),
        "hswish": x * (x + 3).clamp(0, 6) / 6,
        "swish": x * torch.sigmoid(x),
    }
    torch.testing.assert_close(build_activation(name)(x.clone()), expected[name])  # type: ignore[arg-type]
