"""Jacobian covariance: how alike a network's answers to small changes of images are (Mellor et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbsearch.errors import ProxyError
from fbsearch.proxies.finite import finite
from fbsearch.proxies.labelled_loss import gradients
from fbsearch.proxies.normal import normal_images
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised

_EPSILON = 1e-5
"""As in the first version of the paper."""


@dataclass(frozen=True)
class JacobianCovariance:
    """−Σ_i ln(v_i + k) + 1 / (v_i + k), v the eigenvalues of the correlation of the images' Jacobians."""

    name: str = "jacobian_covariance"
    label: str = "Jacobian covariance"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights and normal images.

        Raises:
            ProxyError: if a Jacobian is zero or overflows.
        """
        module = initialised(subject, generator)
        images = normal_images(subject.input, batch_size, generator).requires_grad_()
        (jacobian,) = gradients(module(images).sum(), [images])
        correlation = torch.corrcoef(jacobian.flatten(1).double())
        if not correlation.isfinite().all():
            raise ProxyError("the Jacobian of an image is zero or overflows")
        values = torch.linalg.eigvalsh(correlation.reshape(batch_size, batch_size)) + _EPSILON
        return finite(-(values.log() + 1 / values).sum(), "the sum over eigenvalues")


register_proxy(JacobianCovariance())
