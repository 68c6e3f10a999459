"""Operator → module: the blocks of the layer-wise spaces."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fbsearch.architecture import Activation, Operator
from fbsearch.nn.depthwise import is_wide_depthwise, wide_depthwise
from fbsearch.nn.pointwise import is_matrix_product, pointwise


def build_activation(activation: Activation) -> nn.Module:
    """The module of an activation's name."""
    modules: dict[str, type[nn.Module]] = {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "hswish": nn.Hardswish,
        "swish": nn.SiLU,
    }
    if activation == "identity":
        return nn.Identity()
    return modules[activation](inplace=True)


class ConvNorm(nn.Sequential):
    """Convolution ('same' padding, no bias), batch norm, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: Activation = "identity",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        if activation != "identity":
            self.activation = build_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """``B x Cin x H x W`` to ``B x Cout x H' x W'``."""
        x = self.norm(self._convolve(x))
        return x if self.is_linear else self.activation(x)

    def _convolve(self, x: Tensor) -> Tensor:
        """The convolution; evaluation, and so every export, keeps it one."""
        if self.training and is_matrix_product(self.conv, x):
            return pointwise(self.conv, x)
        if self.training and is_wide_depthwise(self.conv, x):
            return wide_depthwise(self.conv, x)
        return self.conv(x)  # type: ignore[no-any-return]  # nn.Module returns Any

    @property
    def is_linear(self) -> bool:
        """Whether no activation follows the norm, so that a factor may move into it."""
        return not hasattr(self, "activation")

    def scaled(self, x: Tensor, factor: Tensor) -> Tensor:
        """``factor * self(x)`` for a scalar ``factor``, multiplied into the norm's affine map.

        C numbers are multiplied in place of ``B x C x H x W``, forward and backward.
        """
        assert self.is_linear
        norm = self.norm
        if norm.training and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        assert norm.momentum is not None
        return functional.batch_norm(
            self._convolve(x),
            norm.running_mean,
            norm.running_var,
            norm.weight * factor,
            norm.bias * factor,
            norm.training,
            norm.momentum,
            norm.eps,
        )


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

    def __init__(self, op: Operator) -> None:
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
        self.has_residual = op.has_residual
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
        return project.scaled(x, factor)


class Classifier(nn.Module):
    """Global average pool, dropout and linear layer: ``B x C x H x W`` to ``B x classes``."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.0)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x W`` to ``B x classes``."""
        # Not x.mean: the TFLite converter turns a pooling to channels last, a mean only behind a TRANSPOSE.
        pooled = functional.avg_pool2d(x, x.shape[2:]).flatten(1)
        return self.linear(self.dropout(pooled))  # type: ignore[no-any-return]  # nn.Module returns Any


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zeroes whole samples of a residual branch with probability ``rate`` (Huang et al., 2016)."""
    if not training or rate == 0.0:
        return x
    keep = 1.0 - rate
    mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x * mask / keep


def build(op: Operator) -> nn.Module:
    """The module of an operator: ``B x Cin x H x W`` to ``B x Cout x H' x W'``, or to ``B x classes``."""
    if op.kind == "classifier":
        return Classifier(op.in_channels, op.out_channels)
    if op.kind == "mbconv":
        return MBConv(op)
    if op.is_identity:
        return nn.Identity()
    return ConvNorm(
        op.in_channels,
        op.out_channels,
        op.kernel,
        stride=op.stride,
        groups=op.groups,
        activation=op.activation,
    )
