"""A ReLU that is an operator of its own."""

from __future__ import annotations

from torch import nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build


class Relu(nn.ReLU):
    """``B x C x H x W`` to the same shape; never in place, since others may take the same input."""


@build.register
def _build_relu(op: operators.Relu) -> nn.Module:
    return Relu()
