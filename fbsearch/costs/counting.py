"""What one operator costs, counted on the operators that really run, on the meta device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fbsearch.architecture import Architecture, Operator
from fbsearch.nn import build
from fbsearch.nn.blocks import ChannelShuffle, Classifier

BYTES_PER_ELEMENT = 4

# Modules whose output is written to memory of its own in a deployed model; norms and activations
# are folded into the convolution before them.
_MATERIALISING = (nn.Conv2d, nn.Linear, ChannelShuffle)


@dataclass(frozen=True)
class OperatorCounts:
    """Counts of one operator at batch 1.

    Args:
        num_params: weights and biases.
        num_kernel_params: those of them in kernels of convolutions and linear layers; the others are a few
            per channel.
        num_macs: multiply-adds of convolutions and linear layers.
        memory_access: elements read and written by them, weights included (ShuffleNetV2, Ma et al.,
            2018, guideline G1; the memory access cost of SNAS, Xie et al., 2019, Section 2.3).
        peak_bytes: largest sum of activations alive at once, in fp32: a layer's input and output,
            and the block's input while a residual waits for it.
    """

    num_params: int
    num_kernel_params: int
    num_macs: int
    memory_access: int
    peak_bytes: int


@cache
def count_operator(op: Operator) -> OperatorCounts:
    """The counts of ``op``; the identity computes nothing and only keeps its input alive."""
    with torch.device("meta"):
        module = build(op).eval()
        x = torch.empty(1, op.in_channels, op.resolution, op.resolution)
    trace = _Trace(module, x if op.has_residual else None)
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        module(x)
    trace.remove()
    return OperatorCounts(
        num_params=sum(p.numel() for p in module.parameters()),
        num_kernel_params=sum(p.numel() for p in module.parameters() if p.ndim > 1),
        num_macs=flops.get_total_flops() // 2,
        memory_access=trace.memory_access,
        peak_bytes=max(trace.peak_elements, x.numel()) * BYTES_PER_ELEMENT,
    )


def count_architecture(architecture: Architecture) -> OperatorCounts:
    """The counts of a whole network: sums, and for ``peak_bytes`` the largest."""
    counts = [count_operator(op) for op in architecture.operators()]
    return OperatorCounts(
        num_params=sum(c.num_params for c in counts),
        num_kernel_params=sum(c.num_kernel_params for c in counts),
        num_macs=sum(c.num_macs for c in counts),
        memory_access=sum(c.memory_access for c in counts),
        peak_bytes=max(c.peak_bytes for c in counts),
    )


class _Trace:
    """Adds up what the materialising leaves of a module read and write."""

    def __init__(self, module: nn.Module, residual: Tensor | None) -> None:
        self.memory_access = 0
        self.peak_elements = 0
        self._residual = residual
        leaves = [part for part in module.modules() if isinstance(part, (*_MATERIALISING, Classifier))]
        self._handles = [leaf.register_forward_hook(self._record) for leaf in leaves]

    def _record(self, leaf: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        alive = inputs[0].numel() + output.numel()
        if self._residual is not None and inputs[0] is not self._residual:
            alive += self._residual.numel()
        self.peak_elements = max(self.peak_elements, alive)
        if isinstance(leaf, (nn.Conv2d, nn.Linear)):
            weights = sum(p.numel() for p in leaf.parameters())
            self.memory_access += inputs[0].numel() + output.numel() + weights

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
