"""GraSP: how the gradient's flow changes if weights are cut (Wang et al., 2020), summed over the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fbsearch.proxies.finite import finite
from fbsearch.proxies.labelled_loss import gradients, kernels, random_batch
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised

_STEP = 1e-6
"""Along the gradient, as a share of the weights' length."""


@dataclass(frozen=True)
class Grasp:
    """−Σ w · (H g), H the Hessian and g the gradient of the cross-entropy with random labels.

    H g is the difference of the gradients a little way up and down g, in float64: not every operation can be
    differentiated twice.
    """

    name: str = "grasp"
    label: str = "GraSP: change of the gradient's flow"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights.

        Raises:
            ProxyError: if it overflows, or nothing depends on the weights.
        """
        module = initialised(subject, generator).double()
        images, labels = random_batch(subject, generator, batch_size)
        weights = kernels(module)
        before = [weight.detach().clone() for weight in weights]
        gradient = _gradient(module, images, labels)
        step = _STEP * finite(_length(before) / _length(gradient), "the gradient's length")
        ends = []
        for signed in (step, -step):
            _move(weights, before, gradient, signed)
            ends.append(_gradient(module, images, labels))
        changes = [(up - down) / (2 * step) for up, down in zip(*ends, strict=True)]
        products = [(weight * change).sum() for weight, change in zip(before, changes, strict=True)]
        return -finite(torch.stack(products).sum(), "Σ w H g")


def _gradient(module: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    return gradients(functional.cross_entropy(module(images.double()), labels), kernels(module))


def _length(tensors: Sequence[Tensor]) -> Tensor:
    squares: Tensor = torch.stack([one.square().sum() for one in tensors]).sum()
    return squares.sqrt()


@torch.no_grad()
def _move(weights: Sequence[Tensor], before: Sequence[Tensor], way: Sequence[Tensor], step: float) -> None:
    for weight, start, direction in zip(weights, before, way, strict=True):
        weight.copy_(start + step * direction)


register_proxy(Grasp())
