"""What a chain of modules does, one step after the other; without residual links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import TypeAlias

from torch import nn

from fbsearch.nn import ConvNorm
from fbsearch.nn.blocks import MBConv, ResidualBlock
from fbsearch.proxies.zen.paired_layer import Layer
from fbsearch.proxies.zen.paired_norm import PairedNorm

Step: TypeAlias = "Layer | nn.Module"


def steps_of(modules: Sequence[nn.Module]) -> list[Step]:
    """Layers where there are such, other modules as they are.

    Args:
        modules: each takes what the one before it gives; their norms are :class:`PairedNorm`.
    """
    steps: list[Step] = []
    for part in (part for module in modules for part in _parts_of(module)):
        last = steps[-1] if steps else None
        if isinstance(last, Layer) and not last.has_relu and type(part) is nn.ReLU:
            steps[-1] = replace(last, has_relu=True)
        elif isinstance(part, PairedNorm) and isinstance(last, nn.Conv2d):
            steps[-1] = Layer(last, part, has_relu=False)
        else:
            steps.append(part)
    return steps


@singledispatch
def _parts_of(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that run one after the other within a module."""
    yield module


@_parts_of.register
def _parts_of_identity(module: nn.Identity) -> Iterator[nn.Module]:
    yield from ()


@_parts_of.register
def _parts_of_branch(module: ResidualBlock) -> Iterator[nn.Module]:
    yield from _parts_of(module.branch)
    yield module.activation


@_parts_of.register
def _parts_of_stages(module: MBConv) -> Iterator[nn.Module]:
    yield from _parts_of(module.stages)


@_parts_of.register(nn.Sequential)
@_parts_of.register(ConvNorm)
def _parts_of_sequence(module: nn.Sequential) -> Iterator[nn.Module]:
    for part in module:
        yield from _parts_of(part)
