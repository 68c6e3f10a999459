"""What of a network depends on the image: the rest is computed once, or left out.

An edge of a cell may be no connection. What follows it gets zeros, and gives the same whatever the image;
what comes before it may be taken by nobody else. Converters find some of this, each another part.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fbsearch.architecture import INPUT, Node
from fbsearch.nn import Network, example_input
from fbsearch.nn.blocks import Add
from fbsearch.nn.node_modules import NodeModules


def computing_part(network: Network) -> nn.Module:
    """A module with the outputs of ``network`` that computes no more than depends on its input.

    Args:
        network: in evaluation mode; itself where all of it computes, or nothing does.
    """
    architecture = network.architecture
    if len(architecture.computing_nodes) in (0, len(architecture.nodes)):
        return network
    return _ComputingPart(network)


class _ComputingPart(NodeModules):
    """The computing nodes of a network; the others' outputs are constants where they are taken."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        nodes = network.architecture.computing_nodes
        computing = {INPUT, *(node.name for node in nodes)}
        outputs = _outputs(network)
        self._inputs = {node.name: [name for name in node.inputs if name in computing] for node in nodes}
        for node in nodes:
            constants = {
                index: outputs[name] for index, name in enumerate(node.inputs) if name not in computing
            }
            self.add_node(node.name, _with_constants(network.node(node.name), node, constants))

    def forward(self, x: Tensor) -> Tensor:
        """Images ``1 x C x H x W`` to logits ``1 x classes``."""
        outputs = {INPUT: x}
        for name, inputs in self._inputs.items():
            outputs[name] = self.node(name)(*(outputs[one] for one in inputs))
        return outputs[name]


@torch.no_grad()
def _outputs(network: Network) -> dict[str, Tensor]:
    """Of all nodes, of one image."""
    outputs = {INPUT: example_input(network.architecture)}
    for node in network.architecture.nodes:
        outputs[node.name] = network.node(node.name)(*(outputs[name] for name in node.inputs))
    return outputs


def _with_constants(module: nn.Module, node: Node, constants: Mapping[int, Tensor]) -> nn.Module:
    if not constants:
        return module
    if not isinstance(module, Add):
        return _Given(module, len(node.inputs), constants)
    total = torch.stack(list(constants.values())).sum(0)
    if total.count_nonzero() > 0:
        return _Given(module, len(node.inputs) - len(constants) + 1, {0: _narrowed(total)})
    return module if len(node.inputs) > len(constants) + 1 else nn.Identity()


def _narrowed(constant: Tensor) -> Tensor:
    """``1 x C x 1 x 1`` of a map that is the same everywhere, as a bias is after zeros."""
    corner = constant[:, :, :1, :1]
    return corner.contiguous() if torch.equal(corner.expand_as(constant), constant) else constant


class _Given(nn.Module):
    """A module with some of its inputs settled.

    Args:
        module: with all inputs.
        num_inputs: that it takes.
        constants: what it is given, by index.
    """

    def __init__(self, module: nn.Module, num_inputs: int, constants: Mapping[int, Tensor]) -> None:
        super().__init__()
        self.module = module
        self._indices = [index if index in constants else None for index in range(num_inputs)]
        for index, constant in constants.items():
            self.register_buffer(f"constant_{index}", constant)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The module's output."""
        waiting = iter(inputs)
        given = [
            next(waiting) if index is None else self.get_buffer(f"constant_{index}")
            for index in self._indices
        ]
        output: Tensor = self.module(*given)
        return output
