"""Counts as scores: the trivial baselines beside which any other proxy must stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fbsearch.architecture import Node
from fbsearch.costs import count_architecture
from fbsearch.proxies.layer_trace import LayerTrace
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
    if subject.architecture is not None:
        return count_architecture(subject.architecture).num_params
    return sum(p.numel() for p in subject.make().parameters())


def num_macs(subject: Subject) -> int:
    """Multiply-adds of convolutions and linear layers, for one image."""
    if subject.architecture is not None:
        return count_architecture(subject.architecture).num_macs
    flops = FlopCounterMode(display=False)
    with flops:
        run_once(subject)
    return flops.get_total_flops() // 2


def num_convs(subject: Subject) -> int:
    """Convolutions that run for the class scores."""
    return layers_of(subject).num_convs


def depth(subject: Subject) -> int:
    """Convolutions and matrix products one after the other, along the longest way from image to scores."""
    return layers_of(subject).depth


def num_nonidentity_layers(subject: Subject) -> int:
    """Of an architecture, the nodes that compute, without identities and joins; of a user's module, its
    convolutions and linear layers.
    """
    if subject.architecture is not None:
        return sum(_is_layer(node) for node in subject.architecture.computing_nodes)
    return layers_of(subject).num_layers


def _is_layer(node: Node) -> bool:
    return not node.operator.is_identity and len(node.inputs) == 1


def layers_of(subject: Subject) -> LayerTrace:
    """The layers that run for one image."""
    trace = LayerTrace()
    with trace:
        run_once(subject)
    return trace


def run_once(subject: Subject) -> None:
    """Score one image, as deployed: an architecture's without memory, a user's module as it is."""
    device = "cpu" if subject.architecture is None else "meta"
    with torch.random.fork_rng(devices=[]), torch.device(device):
        module: nn.Module = subject.make().eval()
        image = torch.zeros((1, *subject.input.dimensions))
    with torch.no_grad():
        module(image)


register_proxy(CountProxy("params", "parameters", num_params))
register_proxy(CountProxy("macs", "multiply-adds", num_macs))
register_proxy(CountProxy("num_convs", "number of convolutions", num_convs))
register_proxy(CountProxy("num_nonidentity_layers", "number of non-identity layers", num_nonidentity_layers))
register_proxy(CountProxy("depth", "layers on the longest way", depth))
