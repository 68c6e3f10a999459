"""Counts layers as they run, whoever wrote the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

_CONVOLUTION = "aten::convolution"
_PRODUCTS = frozenset({"aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm"})


def is_layer(function: torch._ops.OpOverload) -> bool:
    """Whether an operation is a convolution or a matrix product."""
    return function._schema.name == _CONVOLUTION or function._schema.name in _PRODUCTS


class LayerTrace(TorchDispatchMode):
    """While it is entered: convolutions, matrix products, and the longest chain of them.

    Attributes:
        num_convs: convolutions.
        num_layers: convolutions and matrix products.
        depth: of these, the most that stand one after the other.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_convs = 0
        self.num_layers = 0
        self.depth = 0
        self._depths: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self,
        function: torch._ops.OpOverload,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs ``function``; its outputs lie as deep as the deepest input, a layer's one deeper."""
        result = function(*args, **(kwargs or {}))
        adds_layer = is_layer(function)
        inputs = [self._depths.get(leaf, 0) for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        depth = max(inputs, default=0) + adds_layer
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._depths[leaf] = depth
        self.num_convs += function._schema.name == _CONVOLUTION
        self.num_layers += adds_layer
        self.depth = max(self.depth, depth)
        return result
