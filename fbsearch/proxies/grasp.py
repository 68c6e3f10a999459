"""GraSP: how the gradient's flow changes if weights are cut (Wang et al., 2020), summed over the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.proxies.finite import finite
from fbsearch.proxies.labelled_loss import gradients, kernels, random_loss
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class Grasp:
    """−Σ w · (H g), H the Hessian and g the gradient of the cross-entropy with random labels.

    H g is the gradient of g · stop(g). In float64: the single precision's fast convolutions cannot be
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
        weights = kernels(module)
        loss = random_loss(module, subject, generator, batch_size)
        first = gradients(loss, weights, keep=True)
        flow = torch.stack([(gradient * gradient.detach()).sum() for gradient in first]).sum()
        pairs = zip(weights, gradients(flow, weights), strict=True)
        return -finite(torch.stack([(w * h).sum() for w, h in pairs]).sum().detach(), "Σ w H g")


register_proxy(Grasp())
