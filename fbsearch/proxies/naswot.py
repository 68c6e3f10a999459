"""NASWOT: how well a network tells images apart before training (Mellor et al., 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.errors import ProxyError
from fbsearch.proxies.activation_codes import activation_signs
from fbsearch.proxies.finite import finite
from fbsearch.proxies.normal import normal_images
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class Naswot:
    """ln |det K|; K_ij counts the units that are alike, on or off, for images i and j."""

    name: str = "naswot"
    label: str = "NASWOT: log-determinant of the kernel of activation codes"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights and normal images.

        Raises:
            ProxyError: if two images have the same code, or there are no activations.
        """
        module = initialised(subject, generator)
        images = normal_images(subject.input, batch_size, generator)
        kernel = torch.zeros((batch_size, batch_size), dtype=torch.float64, device=images.device)
        for signs in activation_signs(module, images):
            code = 2 * signs.float() - 1
            kernel += (code @ code.T + code.shape[1]) / 2
        sign, log_determinant = torch.linalg.slogdet(kernel)
        if sign <= 0:
            raise ProxyError(f"two of {batch_size} images have the same activation code; give fewer")
        return finite(log_determinant, "ln |det K|")


register_proxy(Naswot())
