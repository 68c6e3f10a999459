"""Counts as scores: the trivial baselines beside which any other proxy must stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject


@dataclass(frozen=True)
class CountProxy:
    """A number that is counted, not computed.

    Args:
        name: by which it is asked for.
        label: what it is.
        count: counts a subject.
    """

    name: str
    label: str
    count: Callable[[Subject], float]
    is_random: bool = False

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """The count; neither generator nor batch matter."""
        return float(self.count(subject))


def num_params(subject: Subject) -> int:
    """Weights and biases."""
    return sum(p.numel() for p in on_meta(subject).parameters())


def num_macs(subject: Subject) -> int:
    """Multiply-adds of convolutions and linear layers for one image."""
    module = on_meta(subject).eval()
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        module(torch.empty((1, *subject.input.dimensions), device="meta"))
    return flops.get_total_flops() // 2


def on_meta(subject: Subject) -> nn.Module:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return subject.make()


register_proxy(CountProxy("params", "parameters", num_params))
register_proxy(CountProxy("macs", "multiply-adds", num_macs))
