"""Which units of a network are on: the signs of what goes into its activations, image by image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fbsearch.errors import ProxyError

_ACTIVATIONS = frozenset(
    f"aten::{name}"
    for name in [
        "relu",
        "hardtanh",
        "leaky_relu",
        "_prelu_kernel",
        "elu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "softplus",
    ]
)
"""Those with one kink, or bend, at 0: its two sides are the unit's states. Gates have none."""


class _Signs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects ``B x units`` of each activation that runs, whether as a module or as a function."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.signs: list[Tensor] = []

    def __torch_dispatch__(
        self,
        function: torch._ops.OpOverload,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if function._schema.name.removesuffix("_") in _ACTIVATIONS:
            self.signs.append((args[0] > 0).flatten(1))  # now: it may be written over in place
        return function(*args, **(kwargs or {}))


def activation_signs(module: nn.Module, images: Tensor) -> list[Tensor]:
    """The signs of every activation's input, ``B x units`` each.

    Raises:
        ProxyError: if the network has no activations.
    """
    mode = _Signs()
    with torch.no_grad(), mode:
        module(images)
    if not mode.signs:
        raise ProxyError("the network has no activations that are on or off")
    return mode.signs
