"""Convolution, norm and activation: a candidate by itself, and the part that most blocks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fbsearch.architecture import Activation, operators
from fbsearch.nn.blocks.building import build
from fbsearch.nn.kernels.depthwise import is_wide_depthwise, wide_depthwise
from fbsearch.nn.kernels.pointwise import is_matrix_product, pointwise


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
    """Convolution ('same' padding unless told otherwise), batch norm, activation.

    Args:
        kernel: height and width, or both at once.
        stride: likewise.
        padded: False for 'valid' padding, that is none.
        bias: whether the convolution has one, as nobody needs before a norm but published networks.
        eps: what the norm adds to a variance.
    """

    passes_input = False
    """Whether the input itself is part of the output; see :meth:`scaled_branch`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        groups: int = 1,
        activation: Activation = "identity",
        padded: bool = True,
        bias: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(
            in_channels, out_channels, (height, width), stride, padding=padding, groups=groups, bias=bias
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=eps)
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

    def scaled_branch(self, x: Tensor, factor: Tensor) -> Tensor:
        """``factor * self(x)`` for a scalar ``factor``, multiplied into the norm's affine map where that is
        last.

        C numbers are multiplied in place of ``B x C x H x W``, forward and backward.
        """
        if not self.is_linear:
            return self(x) * factor  # type: ignore[no-any-return]  # nn.Module returns Any
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


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zeroes whole samples of a residual branch with probability ``rate`` (Huang et al., 2016)."""
    if not training or rate == 0.0:
        return x
    keep = 1.0 - rate
    mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x * mask / keep


@build.register
def _build_conv(op: operators.Conv) -> nn.Module:
    return ConvNorm(
        op.in_channels,
        op.out_channels,
        op.kernel,
        stride=op.stride,
        groups=op.groups,
        activation=op.activation,
        padded=not op.without_padding,
    )


@build.register
def _build_skip(op: operators.Skip) -> nn.Module:
    if op.is_identity:
        return nn.Identity()
    return ConvNorm(op.in_channels, op.out_channels, 1, stride=op.stride)
