"""The size of the first gradient (Abdelfattah et al., "Zero-cost proxies", 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.proxies.finite import finite
from fbsearch.proxies.labelled_loss import gradients, kernels, random_loss
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class GradNorm:
    """Σ over layers of ‖∂L/∂W‖, L the cross-entropy with random labels."""

    name: str = "grad_norm"
    label: str = "norm of the loss' gradient"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights.

        Raises:
            ProxyError: if it overflows, or nothing depends on the weights.
        """
        module = initialised(subject, generator)
        loss = random_loss(module, subject, generator, batch_size)
        norms = [gradient.norm() for gradient in gradients(loss, kernels(module))]
        return finite(torch.stack(norms).sum(), "the gradient's norm")


register_proxy(GradNorm())
