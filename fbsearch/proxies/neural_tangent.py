"""TE-NAS' trainability: the condition number of the neural tangent kernel (Chen et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbsearch.errors import ProxyError
from fbsearch.proxies.finite import logarithm
from fbsearch.proxies.labelled_loss import kernels
from fbsearch.proxies.normal import normal_images
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class NeuralTangent:
    """−ln(λ_max / λ_min) of the kernel K_ij = ∂f(x_i)/∂w · ∂f(x_j)/∂w, f the sum of an image's scores.

    Args:
        most_images: of a batch; each costs a pass of its own backwards.
    """

    name: str = "ntk"
    label: str = "TE-NAS: condition of the neural tangent kernel, negative logarithm"
    is_random: bool = True
    most_images: int = 16

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights and normal images.

        Raises:
            ProxyError: if the kernel is singular or overflows.
        """
        module = initialised(subject, generator)
        images = normal_images(subject.input, min(batch_size, self.most_images), generator)
        rows = weight_jacobian(module, images).double()
        if not rows.isfinite().all():
            raise ProxyError("the neural tangent kernel overflows")
        values = torch.linalg.svdvals(rows).square()
        return -logarithm(values[0] / values[-1], "the neural tangent kernel's condition number")


def weight_jacobian(module: nn.Module, images: Tensor) -> Tensor:
    """``B x weights``: the gradient of each image's summed scores; norms see the batch as a whole.

    Raises:
        ProxyError: if the scores depend on no weight.
    """
    weights = kernels(module)
    outputs = module(images).sum(1)
    if not outputs.requires_grad:
        raise ProxyError("the network's output depends on no weight")
    rows = []
    for output in outputs:
        found = torch.autograd.grad(output, weights, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([one.flatten() for one in found if one is not None]))
    return torch.stack(rows)


register_proxy(NeuralTangent())
