"""The loss of a network that has learnt nothing, on labels that mean nothing, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd

from fbsearch.errors import ProxyError
from fbsearch.proxies.normal import normal_images
from fbsearch.proxies.subject import Subject


def kernels(module: nn.Module) -> list[Tensor]:
    """The weights of convolutions and linear layers, which the scores from gradients are defined over."""
    parts = (part for part in module.modules() if isinstance(part, (_ConvNd, nn.Linear)))
    return [part.weight for part in parts if part.weight.requires_grad]


def random_batch(subject: Subject, generator: torch.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
    """Normal images ``B x C x H x W`` and labels ``B`` that mean nothing."""
    images = normal_images(subject.input, batch_size, generator)
    labels = torch.randint(subject.num_classes, (batch_size,), generator=generator, device=generator.device)
    return images, labels


def random_loss(module: nn.Module, subject: Subject, generator: torch.Generator, batch_size: int) -> Tensor:
    """Cross-entropy of a random batch."""
    images, labels = random_batch(subject, generator, batch_size)
    return functional.cross_entropy(module(images), labels)


def gradients(output: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """d ``output`` / d each of ``weights``; zeros where it does not depend on one.

    Args:
        output: a scalar.
        weights: any of what it was computed from.

    Raises:
        ProxyError: if it depends on none of them.
    """
    if not output.requires_grad:
        raise ProxyError("the network's output depends on no weight")
    found = torch.autograd.grad(output, list(weights), allow_unused=True)
    if all(one is None for one in found):
        raise ProxyError("the network's output depends on no weight")
    return [torch.zeros_like(w) if one is None else one for w, one in zip(weights, found, strict=True)]
