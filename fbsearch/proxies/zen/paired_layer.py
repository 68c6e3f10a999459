"""Convolution, norm and activation over two batches at once, on a CPU, channels last.

Against a convolution, a batch norm and a ReLU, each over the whole map, this saves most of the memory's time:

- A norm is never carried out. The convolution behind it takes max(y, μ) in the place of relu((y − μ) / σ),
  its weights take 1 / σ, its bias takes the constant off again, and where it pads with zeros, it pads with μ.
  A 1x1 convolution that widens much leaves the constant to the layer behind it, to whose norm it does not
  matter; were it never taken off, it would grow from layer to layer until nothing else is left.
- Of a 1x1 convolution that widens much, mean and variance of the output follow from those of its input:
  mean(Wx) = W mean(x), var(Wx) = diag(W cov(x) Wᵀ).
- Nothing allocates a large map anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbsearch.proxies.zen.paired_norm import PairedNorm, paired_statistics, per_channel
from fbsearch.proxies.zen.workspace import Workspace

_MOST_PRODUCTS = 16
"""For each value of a 1x1 convolution's output, multiply-adds that take no longer than two looks at it."""


@dataclass(frozen=True)
class Layer:
    """A convolution with its norm, and a ReLU or nothing behind it."""

    conv: nn.Conv2d
    norm: PairedNorm
    has_relu: bool

    @property
    def is_pointwise(self) -> bool:
        """Whether it sees every pixel by itself."""
        conv = self.conv
        return conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1


@dataclass(frozen=True)
class Pending:
    """A norm that has not been carried out yet.

    Args:
        mean: μ, ``2 x C``, of both halves.
        scale: 1 / σ, likewise.
        has_relu: whether a ReLU follows.
    """

    mean: Tensor
    scale: Tensor
    has_relu: bool


@dataclass(frozen=True)
class PairedMap:
    """A feature map of both batches, and the norm that it still wants.

    Args:
        values: ``2B x C x H x W``, channels last; whoever takes them may write over them where a norm is
            pending.
        pending: the norm.
    """

    values: Tensor
    pending: Pending | None = None

    def settled(self) -> Tensor:
        """The map, with nothing pending."""
        if self.pending is None:
            return self.values
        mean, scale = self.pending.mean, self.pending.scale
        for half, one in enumerate(self.values.chunk(2)):
            shift = per_channel(-mean[half] * scale[half], one)
            torch.addcmul(shift, one, per_channel(scale[half], one), out=one)
        return self.values.relu_() if self.pending.has_relu else self.values


def paired_layer(layer: Layer, x: PairedMap, space: Workspace) -> PairedMap:
    """A layer's output, its norm pending; what it was made of may be given back to ``space``."""
    if not layer.is_pointwise:
        values = _windowed(layer.conv, x, space)
        return _with_statistics(layer, values)
    _cut(x)
    weights = _scaled_weights(layer.conv, x.pending)
    if not _is_told_by_input(layer.conv, x.values):
        return _with_statistics(layer, _product(x.values, weights, _taken_off(layer.conv, x.pending), space))
    mean, variance = _product_statistics(_pixels(x.values), weights.flatten(2))
    return _pending(layer, _product(x.values, weights, None, space), mean, variance)


def _is_told_by_input(conv: nn.Conv2d, values: Tensor) -> bool:
    """Whether the covariance of the input is the cheaper way to the output's variance."""
    channels, outputs = conv.in_channels, conv.out_channels
    count = values.numel() // (2 * channels)
    num_products = channels**2 * (count + outputs)
    return channels < outputs and num_products < _MOST_PRODUCTS * count * outputs


def _with_statistics(layer: Layer, values: Tensor) -> PairedMap:
    return _pending(layer, values, *paired_statistics(values))


def _pending(layer: Layer, values: Tensor, mean: Tensor, variance: Tensor) -> PairedMap:
    layer.norm.note(variance)
    scale = torch.rsqrt(variance + layer.norm.eps)
    return PairedMap(values, Pending(mean, scale, layer.has_relu))


def _cut(x: PairedMap) -> None:
    """max(y, μ) in place, where a ReLU is pending."""
    if x.pending is not None and x.pending.has_relu:
        for half, one in enumerate(x.values.chunk(2)):
            torch.maximum(one, per_channel(x.pending.mean[half], one), out=one)


def _scaled_weights(conv: nn.Conv2d, pending: Pending | None) -> Tensor:
    """``2 x Cout x Cin/groups x K x K``: those of each half, that 1 / σ of their inputs has moved into."""
    weight = conv.weight.expand(2, -1, -1, -1, -1)
    if pending is None:
        return weight
    scale = pending.scale.view(2, conv.groups, 1, -1, 1, 1)
    return (weight.view(2, conv.groups, -1, *weight.shape[2:]) * scale).flatten(1, 2)


def _taken_off(conv: nn.Conv2d, pending: Pending | None) -> Tensor | None:
    """``2 x Cout``: minus what the convolution makes of the constant μ / σ in each input channel."""
    if pending is None:
        return None
    constant = (pending.mean * pending.scale).view(2, conv.groups, -1, 1)
    sums = conv.weight.sum((2, 3))
    of_each: Tensor = sums.view(conv.groups, -1, sums.shape[1]) @ constant
    return -of_each.flatten(1)


def _windowed(conv: nn.Conv2d, x: PairedMap, space: Workspace) -> Tensor:
    """A convolution of any kernel, stride and groups."""
    if x.pending is None:
        return conv(x.values)  # type: ignore[no-any-return]  # nn.Module returns Any
    padded = _padded(x.values, x.pending, conv, space)
    weights = _scaled_weights(conv, x.pending)
    biases = _taken_off(conv, x.pending)
    assert biases is not None
    halves = [
        nn.functional.conv2d(one, weights[half], biases[half], conv.stride, 0, conv.dilation, conv.groups)
        for half, one in enumerate(padded.chunk(2))
    ]
    space.give(padded)
    return torch.cat(halves)


def _padded(values: Tensor, pending: Pending, conv: nn.Conv2d, space: Workspace) -> Tensor:
    """max(y, μ), or y where no ReLU is pending, within a border of μ."""
    assert not isinstance(conv.padding, str)
    high, wide = conv.padding
    num_images, channels, height, width = values.shape
    padded = space.take(num_images, channels, height + 2 * high, width + 2 * wide)
    for half, (source, target) in enumerate(zip(values.chunk(2), padded.chunk(2), strict=True)):
        mean = per_channel(pending.mean[half], source)
        for border in (
            target[:, :, :high],
            target[:, :, high + height :],
            target[:, :, high : high + height, :wide],
            target[:, :, high : high + height, wide + width :],
        ):
            border.copy_(mean.expand_as(border))
        inner = target[:, :, high : high + height, wide : wide + width]
        if pending.has_relu:
            torch.maximum(source, mean, out=inner)
        else:
            inner.copy_(source)
    return padded


def _product_statistics(pixels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, ``2 x Cout``, of ``2 x N x Cin`` times ``2 x Cout x Cin``, without the product."""
    count = pixels.shape[1]
    mean = torch.stack([one.sum(0) for one in pixels]).double() / count
    products = torch.stack([one.T @ one for one in pixels]).double() / count
    covariance = (products - mean[:, :, None] * mean[:, None, :]).float()
    variance = ((weights @ covariance) * weights).sum(2).clamp_min(0)
    return (weights @ mean.float()[:, :, None]).squeeze(2), variance


def _product(values: Tensor, weights: Tensor, bias: Tensor | None, space: Workspace) -> Tensor:
    """``2B x Cin x H x W`` with ``2 x Cout x Cin x 1 x 1`` and ``2 x Cout`` to ``2B x Cout x H x W``."""
    num_images, _, height, width = values.shape
    out = space.take(num_images, weights.shape[1], height, width)
    matrices = weights.flatten(2).transpose(1, 2)
    for half, (source, target) in enumerate(zip(_pixels(values), _pixels(out), strict=True)):
        if bias is None:
            torch.mm(source, matrices[half], out=target)
        else:
            torch.addmm(bias[half], source, matrices[half], out=target)
    return out


def _pixels(values: Tensor) -> Tensor:
    """``2B x C x H x W``, channels last, as ``2 x B H W x C``."""
    return values.permute(0, 2, 3, 1).reshape(2, -1, values.shape[1])
