"""Networks without their residual links, as Zen-Score is defined."""

from __future__ import annotations

from torch import nn


def remove_residuals(module: nn.Module) -> int:
    """Switch off the residual links of all blocks that have the switch, ``has_residual``.

    Returns:
        How many had one.
    """
    blocks = [part for part in module.modules() if getattr(part, "has_residual", False) is True]
    for block in blocks:
        block.has_residual = False  # type: ignore[assignment]  # no tensor
    return len(blocks)
