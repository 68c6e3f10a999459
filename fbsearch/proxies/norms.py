"""Other modules in the place of batch norms."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def replace_norms(module: nn.Module, replacement: Callable[[_BatchNorm], nn.Module]) -> None:
    """Put ``replacement(norm)`` in the place of every batch norm within ``module``."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, replacement(child))


def drop_norms(module: nn.Module) -> None:
    """Take every batch norm out of ``module``."""
    replace_norms(module, lambda _: nn.Identity())
