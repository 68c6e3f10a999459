"""Fake quantisation: a network that computes in floats what its int8 file will compute in integers.

Weights and activations are rounded where the exported file rounds them. Gradients pass the rounding as if
it were not there, and stop at values beyond a range (Jacob et al., 2018, arXiv 1712.05877, section 3). So
training finds weights that survive the rounding.

- **Weights** are rounded symmetrically, with a scale per output channel from its largest weight.
- **Norms** are neither folded nor frozen. Exporters fold a norm into its convolution, which multiplies each
  output channel's weights by a factor, and then round. The factor multiplies the scale too, so rounding first
  and multiplying then gives the same weights: in evaluation the network computes what the file does. In
  training norms go by their batch as ever; frozen, they let large gradients make the weights diverge.
- **Activations** (``int8`` alone) are rounded to 256 levels per tensor, between the least and the greatest
  value over the calibration images, as the exporters set them.
"""

from __future__ import annotations

import math
from functools import singledispatch
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.hooks import RemovableHandle

from fbsearch.nn import Network
from fbsearch.nn.blocks import (
    Add,
    Classifier,
    Concat,
    ConvNorm,
    FactorisedReduce,
    MBConv,
    NormedGates,
    PreActivated,
    Relu,
    ResidualBlock,
    SqueezeExcite,
)
from fbsearch.precision import Precision

_FUSED = (nn.ReLU, nn.ReLU6)
"""Activations that both formats compute within the convolution, whose own output is then never rounded."""

_BATCH = 64
_TOP_LEVEL = 255


class FakeQuantisation:
    """A network's rounding, from here until the end of a ``with`` block; the weights left are floats.

    >>> from fbsearch.nn import example_input
    >>> from fbsearch.spaces import load_space
    >>> network = Network(load_space("digits").decode((0, 1, 2, 3))).eval()
    >>> images = example_input(network.architecture, batch=4)
    >>> with FakeQuantisation(network, "int8", weight_levels=127) as quantisation:
    ...     quantisation.set_ranges(images)
    ...     logits = network(images)  # as the int8 file's

    Args:
        network: it is changed in place.
        precision: ``int8``; or ``dynamic_int8``, where activations have no fixed ranges, for weights alone.
        weight_levels: L: a channel's weights become multiples of its largest one divided by L.
    """

    def __init__(self, network: Network, precision: Precision, *, weight_levels: int) -> None:
        assert precision in ("int8", "dynamic_int8"), "other precisions have no integers"
        self._network = network
        self._weights = _WeightRounding(weight_levels)
        self._activations: list[_ActivationRounding] = []
        self._handles: list[RemovableHandle] = []
        for layer in _weighted(network):
            parametrize.register_parametrization(layer, "weight", self._weights)
        if precision == "int8":
            self._round_activations()

    def set_ranges(self, images: Tensor) -> None:
        """Take the activations' ranges from images ``N x C x H x W``, computed without any rounding."""
        parts: list[_Rounding] = [self._weights, *self._activations]
        was_training, device = self._network.training, next(self._network.parameters()).device
        self._network.eval()
        for part in parts:
            part.begin()
        with torch.no_grad():
            for batch in torch.split(images, _BATCH):
                self._network(batch.to(device))
        for part in parts:
            part.is_rounding = True
        self._network.train(was_training)

    @property
    def scales(self) -> list[float]:
        """The step of every rounded activation, from the input on; 0 where nothing but zeros was seen."""
        return [rounding.scale for rounding in self._activations]

    def __enter__(self) -> FakeQuantisation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take every rounding off the network again."""
        for handle in self._handles:
            handle.remove()
        for layer in _weighted(self._network):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)

    def _round_activations(self) -> None:
        """Round every tensor that is one of the file's: what comes in, and what each operator gives."""
        self._before(self._network)
        for part in self._network.modules():
            before, after = rounded_places(part)
            if before:
                self._before(*before)
            for module in after:
                self._after(module)

    def _before(self, *modules: nn.Module) -> None:
        """Round the inputs of modules to one range."""
        rounding = self._new()
        self._handles += [module.register_forward_pre_hook(rounding.of_input) for module in modules]

    def _after(self, module: nn.Module) -> None:
        rounding = self._new()
        self._handles.append(module.register_forward_hook(rounding.of_output))

    def _new(self) -> _ActivationRounding:
        self._activations.append(_ActivationRounding())
        return self._activations[-1]


Places = tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]
"""Modules whose inputs are rounded to one range, and modules each of whose outputs is rounded."""


@singledispatch
def rounded_places(part: nn.Module) -> Places:
    """Where a block's file rounds activations: a block adds itself with ``@rounded_places.register``."""
    return (), ()


@rounded_places.register
def _of_conv(part: ConvNorm) -> Places:
    if part.is_linear or isinstance(part.activation, _FUSED):
        return (), (part,)
    return (), (part.norm, part)


@rounded_places.register
def _of_gates(part: SqueezeExcite) -> Places:
    return (part.reduce,), (part.activation, part.gate, part)


@rounded_places.register
def _of_normed_gates(part: NormedGates) -> Places:
    return (part.reduce,), (part.gate, part)  # both convolutions round what they give themselves


@rounded_places.register
def _of_mbconv(part: MBConv) -> Places:
    return (), (part,) if part.has_residual else ()


@rounded_places.register
def _of_classifier(part: Classifier) -> Places:
    return (part, part.linear), (part,)  # pooling keeps the scale of what it pools


@rounded_places.register
def _of_preactivated(part: PreActivated) -> Places:
    return (), tuple(stage for stage in part if isinstance(stage, (nn.ReLU, nn.Conv2d)))


@rounded_places.register
def _of_reduce(part: FactorisedReduce) -> Places:
    return (), (part.relu, part)


@rounded_places.register(ResidualBlock)
@rounded_places.register(Add)
@rounded_places.register(Concat)
@rounded_places.register(Relu)
@rounded_places.register(nn.AvgPool2d)
def _of_joins(part: nn.Module) -> Places:
    return (), (part,)


class _Rounding(Protocol):
    is_rounding: bool

    def begin(self) -> None: ...


class _WeightRounding(nn.Module):
    """``w -> s round(w / s)`` with ``s = max |w| / L`` per output channel, the first axis."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.is_rounding = True

    def begin(self) -> None:
        """Pass weights through while ranges are set."""
        self.is_rounding = False

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of any shape to the same shape."""
        if not self.is_rounding:
            return weight
        largest = weight.detach().flatten(1).abs().amax(1)
        scale = torch.where(largest > 0, largest / self.levels, 1.0)
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -self.levels, self.levels)


class _ActivationRounding:
    """``x -> s (round(x / s + z) - z)``, clipped to 256 levels from the least to the greatest value seen.

    The range holds 0, which both formats represent exactly: padding is made of it.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the range, and widen it by whatever passes, until rounding begins."""
        self.is_rounding = False
        self._least = self._greatest = 0.0

    @property
    def scale(self) -> float:
        """s, from the range."""
        return (self._greatest - self._least) / _TOP_LEVEL

    def of_input(self, module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """A hook before a module."""
        return self(inputs[0])

    def of_output(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """A hook behind a module."""
        return self(output)

    def __call__(self, x: Tensor) -> Tensor:
        if not self.is_rounding:
            self._least = min(self._least, float(x.min()))
            self._greatest = max(self._greatest, float(x.max()))
            return x
        scale = (self._greatest - self._least) / _TOP_LEVEL
        if not (
            scale > 0 and math.isfinite(scale)
        ):  # nothing but zeros; or diverged, which the loss will say
            return x
        return torch.fake_quantize_per_tensor_affine(x, scale, round(-self._least / scale), 0, _TOP_LEVEL)


def _weighted(network: nn.Module) -> list[nn.Module]:
    return [part for part in network.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
