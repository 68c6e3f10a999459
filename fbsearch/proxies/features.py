"""The feature map before global pooling."""

from __future__ import annotations

from torch import Tensor, nn

from fbsearch.errors import ProxyError
from fbsearch.nn import Network


def features_of(module: nn.Module, x: Tensor) -> Tensor:
    """Images ``B x C x H x W`` to the feature map that is pooled before the classifier.

    Raises:
        ProxyError: if it cannot be told which that is.
    """
    if not isinstance(module, Network):
        raise ProxyError("the feature map before global pooling is known of architectures alone")
    return module.features(x)
