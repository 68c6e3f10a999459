"""Zen-Score (Lin et al., 2021, Algorithm 1) and Φ-score (Definition 1 there).

With residual links removed, weights from N(0, 1), scales 1 and shifts 0, f the feature map before global
pooling, x and ε from N(0, 1), γ = 0.01:

    Δ = E‖f(x) − f(x + γε)‖
    Zen = ln Δ + Σ_norms ½ ln(mean_c σ²_c)
    Φ = ln Δ of the network without norms

σ² is the batch variance that a norm sees of x. The released code reads running_var in its place, an
average that starts at 1 and moves with every run: after a first score, of two runs, it is
0.81 + 0.19 σ² but for the smallest digits, which ``zen_released`` computes as such.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fbsearch.nn import Network
from fbsearch.proxies.features import feature_extractor, feature_place
from fbsearch.proxies.finite import finite, logarithm
from fbsearch.proxies.normal import draw_weights, normal_images
from fbsearch.proxies.norms import drop_norms
from fbsearch.proxies.proxy import find_proxy, register_proxy
from fbsearch.proxies.residuals import remove_residuals
from fbsearch.proxies.subject import Subject, initialised
from fbsearch.proxies.undrawn import WithoutDrawing
from fbsearch.proxies.zen.paired_norm import pair_norms
from fbsearch.proxies.zen.paired_run import paired_features

GAMMA = 0.01
"""Of the perturbation (Algorithm 1)."""

DifferenceNorm = Literal["l1", "frobenius"]


@dataclass(frozen=True)
class ZenScore:
    """Zen-Score.

    Args:
        name: by which it is asked for.
        label: what it is.
        norm: of the difference: the sum of its absolute values, as in the released code, or Frobenius' norm,
            as in the paper.
        is_released: whether the variances are mixed with 1 as the released code's first score mixes them.
    """

    name: str
    label: str
    norm: DifferenceNorm = "l1"
    is_released: bool = False
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """ln Δ + Σ ½ ln(mean σ²).

        Raises:
            ProxyError: if it overflows, or the network does not see the image.
        """
        module = bare_module(subject, generator)
        seen = pair_norms(module)
        draw_weights(module, generator)
        pair = run_pair(module, perturbed_pair(subject, generator, batch_size), seen)
        return logarithm(mean_difference(pair, self.norm), "Δ") + variance_term(seen, self.is_released)


def bare_module(subject: Subject, generator: torch.Generator) -> nn.Module:
    """A module without residual links, in evaluation mode; an architecture's has weights of no meaning."""
    if subject.architecture is None:
        module = initialised(subject, generator)
    else:
        with WithoutDrawing():
            module = subject.make().to(generator.device)
    remove_residuals(module)
    return module.eval()


def run_pair(module: nn.Module, images: Tensor, seen: list[Tensor]) -> Tensor:
    """The feature maps of both batches, ``2B x C x H x W``; ``seen`` holds what the norms saw of them."""
    if isinstance(module, Network) and images.device.type == "cpu":
        with torch.inference_mode():
            return paired_features(module, images.contiguous(memory_format=torch.channels_last))
    extract = feature_extractor(module, images[:2])
    seen.clear()
    with torch.no_grad():
        return extract(images)


def perturbed_pair(subject: Subject, generator: torch.Generator, batch_size: int) -> Tensor:
    """x and x + γε, one after the other: ``2B x C x H x W``."""
    x = normal_images(subject.input, batch_size, generator)
    return torch.cat((x, x + GAMMA * normal_images(subject.input, batch_size, generator)))


def mean_difference(pair: Tensor, norm: DifferenceNorm) -> Tensor:
    """Δ, the mean over images of the difference's norm, from both feature maps, ``2B x C x H x W``."""
    first, second = pair.chunk(2)
    difference = (first - second).flatten(1)
    each = difference.abs().sum(1) if norm == "l1" else difference.square().sum(1).sqrt()
    return each.mean()


def variance_term(seen: Sequence[Tensor], is_released: bool) -> float:
    """Σ ½ ln(mean σ²) over those norms that do not see a constant.

    Raises:
        ProxyError: if a variance overflows.
    """
    variances = [finite(one, "a batch variance") for one in seen]
    if is_released:
        return sum(math.log(0.81 + 0.19 * variance) for variance in variances) / 2
    return sum(math.log(variance) for variance in variances if variance > 0) / 2


@dataclass(frozen=True)
class PhiScore:
    """Φ-score: ln Δ of the network without norms."""

    name: str = "phi"
    label: str = "Φ-score: Zen-Score without norms; overflows in deep networks"
    is_random: bool = True

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """ln Δ.

        Raises:
            ProxyError: if it overflows, or the network does not see the image.
        """
        module = bare_module(subject, generator)
        drop_norms(module)
        draw_weights(module, generator)
        images = perturbed_pair(subject, generator, batch_size)
        extract = feature_extractor(module, images[:2])
        with torch.no_grad():
            pair = extract(images)
        return logarithm(mean_difference(pair, "l1"), "Δ")


register_proxy(ZenScore("zen", "Zen-Score, batch variances, L1 norm"))
register_proxy(ZenScore("zen_frobenius", "Zen-Score, batch variances, Frobenius norm", norm="frobenius"))
register_proxy(ZenScore("zen_released", "Zen-Score as released, its first score", is_released=True))
register_proxy(PhiScore())


def is_zen(name: str) -> bool:
    """Whether a name is that of a Zen-Score or Φ-score, whose theory has limits that are to be told."""
    return isinstance(find_proxy(name), (ZenScore, PhiScore))


def feature_note(subject: Subject) -> str:
    """What was taken of a module that this project did not make.

    Raises:
        ProxyError: if its feature map cannot be told.
    """
    generator = torch.Generator().manual_seed(0)
    module = initialised(subject, generator)
    num_residuals = remove_residuals(module)
    place = feature_place(module.eval(), normal_images(subject.input, 2, generator))
    links = (
        f"{num_residuals} residual links were switched off"
        if num_residuals
        else (
            "residual links, if it has any, stayed: only blocks with a switch `has_residual` can be without"
        )
    )
    return f"the feature map of {subject.name} is the last one, {place}; {links}"
