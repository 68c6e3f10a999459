"""What one operator costs, counted on the operators that really run, on the meta device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fbsearch.architecture import INPUT, Architecture, Node, Operator, Shape
from fbsearch.nn import build
from fbsearch.nn.blocks import Add, ChannelShuffle, Classifier, Concat, FactorisedReduce

BYTES_PER_ELEMENT = 4

# Modules whose output is written to memory of its own in a deployed model; norms and activations
# are folded into the convolution before them, but for the activations that stand before one.
_MATERIALISING = (
    nn.Conv2d,
    nn.Linear,
    nn.AvgPool2d,
    nn.MaxPool2d,
    ChannelShuffle,
    Classifier,
    Add,
    Concat,
    FactorisedReduce,
)


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


def is_layer(op: Operator) -> bool:
    """Whether an operator counts as a layer: it learns, and is neither free nor the classifier."""
    return op.has_weights and not op.is_free and not op.output.is_vector


def count_layers(architecture: Architecture) -> int:
    """Layers of an architecture: its blocks and convolutions, without identities, joins and classifier."""
    return sum(map(is_layer, architecture.operators()))


@cache
def count_operator(op: Operator) -> OperatorCounts:
    """The counts of ``op``; the identity computes nothing and only keeps its input alive."""
    module, inputs = build_weightless(op)
    trace = _Trace(module, inputs[0] if op.has_residual else None)
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        module(*inputs)
    trace.remove()
    return OperatorCounts(
        num_params=sum(p.numel() for p in module.parameters()),
        num_kernel_params=sum(p.numel() for p in module.parameters() if p.ndim > 1),
        num_macs=flops.get_total_flops() // 2,
        memory_access=trace.memory_access,
        peak_bytes=max(trace.peak_elements, sum(one.numel() for one in inputs)) * BYTES_PER_ELEMENT,
    )


def build_weightless(op: Operator) -> tuple[nn.Module, list[Tensor]]:
    """The module of ``op`` on the meta device, with an image's inputs.

    Its norms only give tensors of the right shape: nobody counts them, and on the meta device they take
    longer than all else together.
    """
    with torch.device("meta"):
        module = build(op).eval()
        inputs = [torch.empty(1, *shape.dimensions) for shape in op.inputs]
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            setattr(part, "forward", torch.empty_like)  # noqa: B010 (a method is no field that may be assigned to)
    return module, inputs


def count_architecture(architecture: Architecture) -> OperatorCounts:
    """The counts of a whole network: sums, and for ``peak_bytes`` the largest over its nodes."""
    counts = {node.name: count_operator(node.operator) for node in architecture.nodes}
    waiting = waiting_bytes({node.name: (node,) for node in architecture.nodes})
    return OperatorCounts(
        num_params=sum(c.num_params for c in counts.values()),
        num_kernel_params=sum(c.num_kernel_params for c in counts.values()),
        num_macs=sum(c.num_macs for c in counts.values()),
        memory_access=sum(c.memory_access for c in counts.values()),
        peak_bytes=max(c.peak_bytes + waiting[name] for name, c in counts.items()),
    )


def waiting_bytes(nodes: Mapping[str, Sequence[Node]]) -> dict[str, int]:
    """What waits in memory while each node computes: outputs before it that others still take, not itself.

    The image and every output are alive from where they are made to the last node that may take them. An
    identity's output counts as a tensor of its own: exact in a chain, where its input is dead by then, and
    an upper bound where the input goes on being used.

    Args:
        nodes: by name, in the order in which they run; several where one of them will be chosen, which have
            outputs of one shape.

    Returns:
        Bytes in fp32, by name.
    """
    position = {name: index for index, name in enumerate(nodes)}
    shapes: dict[str, Shape] = {name: some[0].operator.output for name, some in nodes.items()}
    last_use: dict[str, int] = {}
    for name, some in nodes.items():
        for node in some:
            for source, shape in zip(node.inputs, node.operator.inputs, strict=True):
                shapes.setdefault(source, shape)
                last_use[source] = position[name]
    made = {INPUT: -1, **position}
    return {
        name: BYTES_PER_ELEMENT
        * _elements(
            shapes[source]
            for source, last in last_use.items()
            if made[source] < position[name] <= last and any(source not in node.inputs for node in some)
        )
        for name, some in nodes.items()
    }


def _elements(shapes: Iterable[Shape]) -> int:
    return sum(shape.num_elements for shape in shapes)


class _Trace:
    """Adds up what the materialising leaves of a module read and write."""

    def __init__(self, module: nn.Module, residual: Tensor | None) -> None:
        self.memory_access = 0
        self.peak_elements = 0
        self._residual = residual
        leaves = [part for part in module.modules() if _materialises(part)]
        self._handles = [leaf.register_forward_hook(self._record) for leaf in leaves]

    def _record(self, leaf: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        alive = sum(one.numel() for one in inputs) + output.numel()
        if self._residual is not None and inputs[0] is not self._residual:
            alive += self._residual.numel()
        self.peak_elements = max(self.peak_elements, alive)
        if isinstance(leaf, (nn.Conv2d, nn.Linear)):
            weights = sum(p.numel() for p in leaf.parameters())
            self.memory_access += inputs[0].numel() + output.numel() + weights

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


def _materialises(part: nn.Module) -> bool:
    return isinstance(part, _MATERIALISING) or (isinstance(part, nn.ReLU) and not part.inplace)
