"""FBNet's candidate: expand, depthwise, project."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.conv import ConvNorm, drop_path


class ChannelShuffle(nn.Module):
    """Interleaves the channels of ``groups`` groups (ShuffleNet, Zhang et al., 2018, Figure 1)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x W`` to the same shape."""
        batch, channels, height, width = x.shape
        if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            # Through the other axes the result would lie in NCHW, and what follows would lose its fast path.
            x = x.permute(0, 2, 3, 1).reshape(batch, height, width, self.groups, channels // self.groups)
            return x.transpose(3, 4).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        x = x.view(batch, self.groups, channels // self.groups, height, width)
        return x.transpose(1, 2).reshape(batch, channels, height, width)


class SqueezeExcite(nn.Module):
    """Channel gates from the globally pooled input (Hu et al., 2018); hard-sigmoid, as MobileNetV3."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU(inplace=True)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x W`` to the same shape."""
        pooled = x.mean((2, 3), keepdim=True)
        gates: Tensor = self.gate(self.expand(self.activation(self.reduce(pooled))))
        return x * gates


class MBConv(nn.Module):
    """Expand 1x1, depthwise KxK, project 1x1; residual where shapes match (MobileNetV2; FBNet, Figure 3).

    With groups, a channel shuffle follows the first convolution. At expansion 1 that convolution is
    left out unless the operator says ``full_expand``; the shuffle then stands in its place, since the
    grouped projection would else never mix the groups.
    """

    def __init__(self, op: operators.MBConv) -> None:
        super().__init__()
        hidden = op.hidden_channels
        stages: list[nn.Module] = []
        if op.has_expand:
            stages.append(ConvNorm(op.in_channels, hidden, 1, groups=op.groups, activation=op.activation))
        if op.groups > 1:
            stages.append(ChannelShuffle(op.groups))
        stages.append(
            ConvNorm(hidden, hidden, op.kernel, stride=op.stride, groups=hidden, activation=op.activation)
        )
        if op.squeeze_excite:
            stages.append(SqueezeExcite(hidden, max(1, round(hidden * op.squeeze_excite))))
        stages.append(ConvNorm(hidden, op.out_channels, 1, groups=op.groups))
        self.stages = nn.Sequential(*stages)
        self.has_residual = self.passes_input = op.has_residual
        self.drop_path_rate = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """``B x Cin x H x W`` to ``B x Cout x H/stride x W/stride``."""
        out: Tensor = self.stages(x)
        if not self.has_residual:
            return out
        return x + drop_path(out, self.drop_path_rate, self.training)

    def scaled_branch(self, x: Tensor, factor: Tensor) -> Tensor:
        """``factor`` times the block's output without its residual."""
        *before, project = self.stages
        assert isinstance(project, ConvNorm)
        for stage in before:
            x = stage(x)
        return project.scaled_branch(x, factor)


@build.register
def _build_mbconv(op: operators.MBConv) -> nn.Module:
    return MBConv(op)
