"""The candidates of cells by their names, such as ``sep_conv_3x3``: from a name to an operator."""

from __future__ import annotations

import re
from collections.abc import Callable

from fbsearch.architecture import Operator
from fbsearch.architecture.operators import (
    AsymConv,
    AvgPool,
    DilConv,
    FactorisedReduce,
    MaxPool,
    ReluConv,
    SepConv,
    Skip,
    Zero,
)

Make = Callable[[int, int, int, int], Operator]
"""Channels, resolution, stride and kernel to an operator."""

_NAME = re.compile(r"(?P<word>[a-z_]+?)(?:_(?P<kernel>\d)x(?P=kernel))?", re.ASCII)
_ASYMMETRIC = re.compile(r"conv_1x(?P<kernel>\d)_(?P=kernel)x1", re.ASCII)


def _skip(channels: int, resolution: int, stride: int, kernel: int) -> Operator:
    return (
        Skip(channels, channels, resolution)
        if stride == 1
        else FactorisedReduce(channels, channels, resolution)
    )


_WITHOUT_KERNEL: dict[str, Make] = {
    "none": lambda c, r, s, k: Zero(c, c, r, stride=s),
    "skip": _skip,
    "skip_connect": _skip,
}
_WITH_KERNEL: dict[str, Make] = {
    "avg_pool": lambda c, r, s, k: AvgPool(c, c, r, kernel=k, stride=s),
    "max_pool": lambda c, r, s, k: MaxPool(c, c, r, kernel=k, stride=s),
    "sep_conv": lambda c, r, s, k: SepConv(c, c, r, kernel=k, stride=s),
    "dil_conv": lambda c, r, s, k: DilConv(c, c, r, kernel=k, stride=s),
    "conv": lambda c, r, s, k: ReluConv(c, c, r, kernel=k, stride=s),
}
KNOWN = "none, skip, avg_pool_3x3, max_pool_3x3, sep_conv_3x3, dil_conv_3x3, conv_1x1, conv_3x3, conv_1x7_7x1"


def cell_op(name: str) -> Callable[[int, int, int], Operator] | None:
    """What a name stands for: channels, resolution and stride to an operator; None if it stands for nothing.

    >>> cell_op("sep_conv_3x3")(16, 8, 2).key
    'sepconv_k3_s2_c16-16_r8'
    """
    asymmetric = _ASYMMETRIC.fullmatch(name)
    if asymmetric:
        kernel = int(asymmetric["kernel"])
        return lambda c, r, s: AsymConv(c, c, r, kernel=kernel, stride=s)
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    make = (_WITH_KERNEL if match["kernel"] else _WITHOUT_KERNEL).get(match["word"])
    size = int(match["kernel"] or 1)
    if make is None or size % 2 == 0:
        return None
    return lambda c, r, s: make(c, r, s, size)
