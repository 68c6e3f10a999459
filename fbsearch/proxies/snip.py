"""SNIP: what the loss would feel if weights were cut (Lee et al., 2019), summed over the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.proxies.finite import finite
from fbsearch.proxies.labelled_loss import gradients, kernels, random_loss
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class Snip:
    """Σ |w · ∂L/∂w|, L the cross-entropy with random labels."""

    name: str = "snip"
    label: str = "SNIP: sensitivity of the loss to each weight"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights.

        Raises:
            ProxyError: if it overflows, or nothing depends on the weights.
        """
        module = initialised(subject, generator)
        weights = kernels(module)
        loss = random_loss(module, subject, generator, batch_size)
        pairs = zip(weights, gradients(loss, weights), strict=True)
        return finite(torch.stack([(w * g).abs().sum() for w, g in pairs]).sum().detach(), "Σ |w ∂L/∂w|")


register_proxy(Snip())
