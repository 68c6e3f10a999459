"""The residual blocks of ResNets: branch, shortcut, sum, ReLU."""

from __future__ import annotations

from torch import Tensor, nn

from fbsearch.architecture import Operator, operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.conv import ConvNorm, drop_path


class ResidualBlock(nn.Module):
    """``relu(branch(x) + shortcut(x))``; the shortcut projects where the shape changes (He et al., 2016)."""

    def __init__(self, branch: nn.Module, op: Operator) -> None:
        super().__init__()
        self.branch = branch
        is_same = op.stride == 1 and op.in_channels == op.out_channels
        self.shortcut = (
            nn.Identity() if is_same else ConvNorm(op.in_channels, op.out_channels, 1, stride=op.stride)
        )
        self.activation = nn.ReLU(inplace=True)
        self.drop_path_rate = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """``B x Cin x H x W`` to ``B x Cout x H/stride x W/stride``."""
        branch = drop_path(self.branch(x), self.drop_path_rate, self.training)
        return self.activation(self.shortcut(x) + branch)  # type: ignore[no-any-return]  # nn.Module returns Any


@build.register
def _build_basic(op: operators.BasicBlock) -> nn.Module:
    branch = nn.Sequential(
        ConvNorm(op.in_channels, op.out_channels, op.kernel, stride=op.stride, activation="relu"),
        ConvNorm(op.out_channels, op.out_channels, op.kernel),
    )
    return ResidualBlock(branch, op)


@build.register
def _build_bottleneck(op: operators.Bottleneck) -> nn.Module:
    inner = op.inner_channels
    branch = nn.Sequential(
        ConvNorm(op.in_channels, inner, 1, activation="relu"),
        ConvNorm(inner, inner, op.kernel, stride=op.stride, groups=op.groups, activation="relu"),
        ConvNorm(inner, op.out_channels, 1),
    )
    return ResidualBlock(branch, op)
