"""Architecture → network: a plain module that needs nothing of the search."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from fbsearch.architecture import INPUT, Architecture
from fbsearch.errors import CheckpointError, UnreadableFileError
from fbsearch.nn.blocks import build
from fbsearch.nn.node_modules import NodeModules
from fbsearch.nn.tensor_file import read_tensors, save_tensors

_HEADER_BYTES = 16 * 2**20
"""Room for the names and shapes of a file of weights."""

_Module = TypeVar("_Module", bound=nn.Module)


class Network(NodeModules):
    """The network of an architecture.

    Args:
        architecture: what to build.
        drop_path: drop rate of the last residual branch; it grows linearly from 0 at the first.
        dropout: before the classifier's linear layer.
    """

    def __init__(self, architecture: Architecture, *, drop_path: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = architecture
        for node in architecture.nodes:
            self.add_node(node.name, build(node.operator))
        self.set_drop_path(drop_path)
        self.set_dropout(dropout)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``B x C x H x W`` to logits ``B x classes``."""
        return self.node(self.architecture.nodes[-1].name)(self.features(x))  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """Images ``B x C x H x W`` to the feature map ``B x C' x H' x W'`` that the classifier takes."""
        outputs = {INPUT: x}
        *nodes, last = self.architecture.live_nodes
        for node in nodes:
            module = self.node(node.name)
            outputs[node.name] = module(*(outputs[name] for name in node.inputs))
        return outputs[last.inputs[0]]

    def set_drop_path(self, rate: float) -> None:
        """Set the residual branches' drop rates, growing linearly with depth to ``rate``."""
        blocks = [block for block in self.modules() if hasattr(block, "drop_path_rate")]
        for index, block in enumerate(blocks):
            block.drop_path_rate = rate * (index + 1) / len(blocks)  # type: ignore[assignment]  # no tensor

    def set_dropout(self, rate: float) -> None:
        """Set the drop rate before the classifier's linear layer."""
        for block in self.modules():
            if isinstance(block, nn.Dropout):
                block.p = rate


def initialise(module: nn.Module) -> None:
    """He initialisation for convolutions (fan out), 1 and 0 for norms, N(0, 0.01) for linear layers."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a module's weights and buffers as safetensors, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_tensors(tensors, path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read weights that :func:`save_weights` wrote into ``network``.

    Raises:
        CheckpointError: if the file cannot be read or holds another network's weights.
    """
    own_bytes = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    try:
        _, tensors = read_tensors(path, most_bytes=2 * own_bytes + _HEADER_BYTES)
    except UnreadableFileError as error:
        raise CheckpointError(f"{path}: cannot read weights: {error}") from None
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: these weights do not fit the architecture: {reason}") from None


def load_network(architecture: Path, weights: Path) -> Network:
    """A trained network from its two files, in evaluation mode.

    Raises:
        ArchitectureError: if the architecture cannot be read.
        CheckpointError: if the weights cannot be read or do not fit.
    """
    network = Network(Architecture.load(architecture))
    load_weights(network, weights)
    return network.eval()


def channels_last(module: _Module, device: torch.device) -> _Module:
    """``module`` on ``device``, in channels-last memory format, in which convolutions run faster."""
    return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def example_input(architecture: Architecture, *, batch: int = 1) -> Tensor:
    """Standard-normal images ``B x C x H x W`` of the architecture's input size, always the same."""
    return torch.randn((batch, *architecture.input.dimensions), generator=torch.Generator().manual_seed(0))
