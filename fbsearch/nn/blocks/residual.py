"""The residual blocks of ResNets: branch, shortcut, sum, ReLU."""

from __future__ import annotations

from torch import Tensor, nn

from fbsearch.architecture import Operator, operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.conv import ConvNorm, drop_path


class ResidualBlock(nn.Module):
    """``relu(branch(x) + shortcut(x))`` (He et al., 2016)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = nn.ReLU(inplace=True)
        self.has_residual = True
        self.drop_path_rate = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """``B x Cin x H x W`` to ``B x Cout x H/stride x W/stride``."""
        branch = drop_path(self.branch(x), self.drop_path_rate, self.training)
        if not self.has_residual:
            return self.activation(branch)  # type: ignore[no-any-return]  # nn.Module returns Any
        return self.activation(self.shortcut(x) + branch)  # type: ignore[no-any-return]  # nn.Module returns Any


def _shortcut(op: Operator) -> nn.Module:
    """The input itself, or a projection where the shape changes."""
    if op.stride == 1 and op.in_channels == op.out_channels:
        return nn.Identity()
    return ConvNorm(op.in_channels, op.out_channels, 1, stride=op.stride)


@build.register
def _build_basic(op: operators.BasicBlock) -> nn.Module:
    branch = nn.Sequential(
        ConvNorm(op.in_channels, op.out_channels, op.kernel, stride=op.stride, activation="relu"),
        ConvNorm(op.out_channels, op.out_channels, op.kernel),
    )
    return ResidualBlock(branch, _shortcut(op))


@build.register
def _build_bottleneck(op: operators.Bottleneck) -> nn.Module:
    inner = op.inner_channels
    branch = nn.Sequential(
        ConvNorm(op.in_channels, inner, 1, activation="relu"),
        ConvNorm(inner, inner, op.kernel, stride=op.stride, groups=op.groups, activation="relu"),
        ConvNorm(inner, op.out_channels, 1),
    )
    return ResidualBlock(branch, _shortcut(op))
