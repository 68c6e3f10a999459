"""Operator → module: :func:`build` asks the builder that is registered for the operator's kind."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from fbsearch.architecture import Operator


@singledispatch
def build(op: Operator) -> nn.Module:
    """The module of an operator: a ``B x C x H x W`` for each input to ``B x C' x H' x W'``, or to scores."""
    raise NotImplementedError(
        f"{type(op).__name__} has no builder: register one with @build.register in nn/blocks"
    )
