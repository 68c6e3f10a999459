"""SynFlow: the flow through a network whose weights are all positive (Tanaka et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.proxies.finite import logarithm
from fbsearch.proxies.labelled_loss import gradients, kernels
from fbsearch.proxies.norms import drop_norms
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class Synflow:
    """ln Σ |w| · ∂R/∂|w|, R the sum of the scores of an image of ones, without norms; in float64.

    The sum itself, which others print, spans many powers of ten, so that a mean over repeats would be
    that of the largest alone; the logarithm orders networks alike.
    """

    name: str = "synflow"
    label: str = "SynFlow: logarithm of the flow through positive weights"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the absolute values of the network's own initial weights; one image is enough.

        Raises:
            ProxyError: if it overflows, or nothing flows.
        """
        module = initialised(subject, generator).double().eval()
        drop_norms(module)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.abs_()
        image = torch.ones((1, *subject.input.dimensions), dtype=torch.float64, device=generator.device)
        weights = kernels(module)
        pairs = zip(weights, gradients(module(image).sum(), weights), strict=True)
        return logarithm(torch.stack([(w * g).abs().sum() for w, g in pairs]).sum().detach(), "the flow")


register_proxy(Synflow())
