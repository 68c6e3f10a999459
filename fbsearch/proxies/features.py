"""The feature map before global pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fbsearch.errors import ProxyError
from fbsearch.nn import Network
from fbsearch.proxies.layer_trace import is_layer

_MOST_LAYERS_BEHIND = 3
"""A classifier's; where more come after the last map, it is no feature map, as in a transformer."""


@dataclass(frozen=True)
class FeaturePlace:
    """Where a network of unknown make has its last map of more than one pixel.

    Args:
        index: of the operation that gives it, counted from the network's first.
        operation: its name.
        dimensions: of the map: C, H, W.
    """

    index: int
    operation: str
    dimensions: tuple[int, ...]

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.dimensions))}, given by {self.operation}"


def feature_extractor(module: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """What turns images ``B x C x H x W`` to the feature map that is pooled before the classifier.

    An architecture's is what its classifier takes. Of any other module it is the last map with more than one
    pixel, and what comes after it is not run; to find it, the module is run once.

    Args:
        module: as it will run.
        images: a few, to run it on.

    Raises:
        ProxyError: if it cannot be told which that is.
    """
    if isinstance(module, Network):
        return module.features
    return partial(_run_as_far, module, feature_place(module, images))


def _run_as_far(module: nn.Module, place: FeaturePlace, x: Tensor) -> Tensor:
    mode = _Reach(place.index)
    with torch.no_grad(), _every_layer(), mode, suppress(_Reached):
        module(x)
    if mode.found is None or tuple(mode.found.shape) != (x.shape[0], *place.dimensions):
        raise ProxyError("it runs otherwise with more images: its feature map cannot be told")
    return mode.found


def feature_place(module: nn.Module, images: Tensor) -> FeaturePlace:
    """Where a module's feature map is.

    Args:
        module: of any make.
        images: ``B x C x H x W``, to run it on.

    Raises:
        ProxyError: if there is none, or too much comes after it.
    """
    mode = _LastMap(images.shape[0])
    with torch.no_grad(), _every_layer(), mode:
        module(images)
    if mode.place is None:
        raise ProxyError("it has no feature map of more than one pixel; give images of a higher resolution")
    if mode.num_layers_behind > _MOST_LAYERS_BEHIND:
        raise ProxyError(
            f"{mode.num_layers_behind} layers come after its last feature map ({mode.place}): "
            "it is no network that pools features before a classifier"
        )
    return mode.place


@contextmanager
def _every_layer() -> Iterator[None]:
    """Without torch's short cut that runs a whole transformer layer as one operation, and so hides it."""
    is_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_enabled)


class _Reached(Exception):
    """The feature map is there."""


class _Reach(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs as far as one operation, and keeps what it gives."""

    def __init__(self, index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Tensor | None = None
        self._left = index

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if self._left == 0:
            self.found = next(leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
            raise _Reached
        self._left -= 1
        return result


class _LastMap(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Finds the last operation that gives a map ``B x C x H x W`` of more than one pixel."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place: FeaturePlace | None = None
        self.num_layers_behind = 0
        self._batch_size = batch_size
        self._index = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        first = next((leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)), None)
        self.num_layers_behind += is_layer(function)
        if first is not None and self._is_map(first):
            name = function._schema.name.removeprefix("aten::")
            self.place = FeaturePlace(self._index, name, tuple(first.shape[1:]))
            self.num_layers_behind = 0
        self._index += 1
        return result

    def _is_map(self, x: Tensor) -> bool:
        return x.ndim == 4 and x.shape[0] == self._batch_size and x.shape[2] * x.shape[3] > 1
