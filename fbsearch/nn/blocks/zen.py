"""The residual blocks of Zen-NAS, as the authors' release builds them.

Against other blocks: norms add 1e-3 to variances, projections have a bias, and channel gates have norms.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.conv import ConvNorm
from fbsearch.nn.blocks.residual import ResidualBlock

_conv = partial(ConvNorm, eps=1e-3)


class NormedGates(nn.Module):
    """Channel gates from the globally pooled input: 1x1, norm, ReLU, 1x1, norm, sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = _conv(channels, squeezed, 1, activation="relu")
        self.expand = _conv(squeezed, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x W`` to the same shape."""
        gates: Tensor = self.gate(self.expand(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * gates


def _block(op: operators.ZenBlock, middle: list[ConvNorm], last: ConvNorm) -> ResidualBlock:
    gates = [NormedGates(op.hidden, op.squeezed_channels)] if op.gated else []
    shortcut: nn.Module = nn.Identity()
    if op.has_projection:
        shortcut = _conv(op.in_channels, op.out_channels, 1, stride=op.stride, bias=True)
    return ResidualBlock(nn.Sequential(*middle, *gates, last), shortcut)


@build.register
def _build_basic(op: operators.ZenBasic) -> nn.Module:
    first = _conv(op.in_channels, op.hidden, op.kernel, stride=op.stride, activation="relu")
    return _block(op, [first], _conv(op.hidden, op.out_channels, op.kernel))


@build.register
def _build_bottleneck(op: operators.ZenBottleneck) -> nn.Module:
    return _pointwise_ends(op, groups=1)


@build.register
def _build_inverted(op: operators.ZenInverted) -> nn.Module:
    return _pointwise_ends(op, groups=op.hidden)


def _pointwise_ends(op: operators.ZenBlock, *, groups: int) -> ResidualBlock:
    middle = [
        _conv(op.in_channels, op.hidden, 1, activation="relu"),
        _conv(op.hidden, op.hidden, op.kernel, stride=op.stride, groups=groups, activation="relu"),
    ]
    return _block(op, middle, _conv(op.hidden, op.out_channels, 1))
