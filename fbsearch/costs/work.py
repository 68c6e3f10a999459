"""What an operator computes and moves, by the sort of its convolutions: what its latency is estimated by."""

from __future__ import annotations

from collections import Counter
from functools import cache

import torch
from torch import Tensor, nn

from fbsearch.architecture import Operator
from fbsearch.costs.counting import build_weightless
from fbsearch.latency.estimation.features import Form, Work


@cache
def count_work(op: Operator) -> Work:
    """The work of ``op``, counted on the layers that really run, on the meta device."""
    module, inputs = build_weightless(op)
    tally = _Tally()
    handles = [
        part.register_forward_hook(tally.record)
        for part in module.modules()
        if isinstance(part, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        module(*inputs)
    for handle in handles:
        handle.remove()
    return Work(dict(tally.num_macs), tally.num_layers, tally.num_params, tally.memory_access)


class _Tally:
    """Adds up what the layers of a module do."""

    def __init__(self) -> None:
        self.num_macs: Counter[Form] = Counter()
        self.num_layers = self.num_params = self.memory_access = 0

    def record(self, layer: nn.Conv2d | nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = sum(one.numel() for one in layer.parameters())
        self.num_layers += 1
        self.num_params += weights
        self.memory_access += inputs[0].numel() + output.numel() + weights
        if isinstance(layer, nn.Linear):
            self.num_macs["pointwise", 1] += layer.weight.numel()
        else:
            self.num_macs[_form(layer)] += layer.weight.numel() * output[0, 0].numel()


def _form(layer: nn.Conv2d) -> Form:
    kernel = int(layer.kernel_size[0])
    if layer.groups > 1:
        return "grouped", kernel
    return ("pointwise" if kernel == 1 else "dense"), kernel
