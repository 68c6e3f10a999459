"""The feature maps of two batches in one run of a network without residual links, on a CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fbsearch.architecture import INPUT, Node
from fbsearch.nn import Network
from fbsearch.proxies.zen.paired_layer import Layer, PairedMap, paired_layer
from fbsearch.proxies.zen.steps import Step, steps_of
from fbsearch.proxies.zen.workspace import Workspace


def paired_features(network: Network, pair: Tensor) -> Tensor:
    """As ``network.features(pair)``, whose norms are :class:`PairedNorm`, and without residual links.

    Args:
        network: in evaluation mode.
        pair: images of both batches, ``2B x C x H x W``, channels last.
    """
    space = Workspace()
    *nodes, last = network.architecture.live_nodes
    outputs = {INPUT: pair}
    uses = Counter(name for node in (*nodes, last) for name in node.inputs)
    for chain in chains_of(nodes, uses):
        inputs = [outputs[name] for name in chain[0].inputs]
        outputs[chain[-1].name] = _run_chain(network, chain, inputs, space)
        for name in chain[0].inputs:
            uses[name] -= 1
            if uses[name] == 0:
                _drop(outputs, name, space)
    return outputs[last.inputs[0]]


def chains_of(nodes: Sequence[Node], uses: Counter[str]) -> list[list[Node]]:
    """Nodes in order, together where one takes only the one before it, and nobody else takes that."""
    chains: list[list[Node]] = []
    for node in nodes:
        if chains and node.inputs == (chains[-1][-1].name,) and uses[chains[-1][-1].name] == 1:
            chains[-1].append(node)
        else:
            chains.append([node])
    return chains


def _run_chain(network: Network, chain: Sequence[Node], inputs: Sequence[Tensor], space: Workspace) -> Tensor:
    steps = iter(_steps(network, chain))
    if len(inputs) == 1:
        value, own = PairedMap(inputs[0]), inputs[0]
    else:
        joined = network.node(chain[0].name)(*inputs).contiguous(memory_format=torch.channels_last)
        value, own = PairedMap(joined), joined
        next(steps)  # the join itself
    for step in steps:
        previous, value = value, _run_step(step, value, space)
        if previous.values.data_ptr() not in (own.data_ptr(), value.values.data_ptr()):
            space.give(previous.values)
    return value.settled()


def _steps(network: Network, chain: Sequence[Node]) -> Iterator[Step]:
    return iter(steps_of([network.node(node.name) for node in chain]))


def _run_step(step: Step, x: PairedMap, space: Workspace) -> PairedMap:
    if isinstance(step, Layer):
        return paired_layer(step, x, space)
    return PairedMap(step(x.settled()).contiguous(memory_format=torch.channels_last))


def _drop(outputs: dict[str, Tensor], name: str, space: Workspace) -> None:
    """Forget an output; its memory too, where no other output lies there."""
    gone = outputs.pop(name)
    if all(one.data_ptr() != gone.data_ptr() for one in outputs.values()):
        space.give(gone)
