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

_NAME = re.compile(r"(?P<word>[a-z_]+?)_(?P<kernel>\d)x(?P=kernel)", re.ASCII)
_ASYMMETRIC = re.compile(r"conv_(?:1x(?P<row>\d)_(?P=row)x1|(?P<column>\d)x1_1x(?P=column))", re.ASCII)
"""Papers write either convolution first; their code computes the row's first."""


def _skip(channels: int, resolution: int, stride: int) -> Operator:
    if stride == 1:
        return Skip(channels, channels, resolution)
    return FactorisedReduce(channels, channels, resolution)


def _skip_by_conv(channels: int, resolution: int, stride: int) -> Operator:
    if stride == 1:
        return Skip(channels, channels, resolution)
    return ReluConv(channels, channels, resolution, kernel=1, stride=stride)


def _zero(channels: int, resolution: int, stride: int) -> Operator:
    return Zero(channels, channels, resolution, stride=stride)


_WITH_KERNEL: dict[str, Make] = {
    "avg_pool": lambda c, r, s, k: AvgPool(c, c, r, kernel=k, stride=s),
    "max_pool": lambda c, r, s, k: MaxPool(c, c, r, kernel=k, stride=s),
    "sep_conv": lambda c, r, s, k: SepConv(c, c, r, kernel=k, stride=s),
    "dil_sep_conv": lambda c, r, s, k: SepConv(c, c, r, kernel=k, stride=s, dilation=2),
    "dil_conv": lambda c, r, s, k: DilConv(c, c, r, kernel=k, stride=s),
    "conv": lambda c, r, s, k: ReluConv(c, c, r, kernel=k, stride=s),
}
KNOWN = (
    "none, skip, avg_pool_3x3, max_pool_3x3, sep_conv_3x3, dil_conv_3x3, dil_sep_conv_3x3, conv_1x1, "
    "conv_3x3, conv_1x7_7x1"
)


def cell_op(name: str, *, skip_halves_whole: bool = True) -> Callable[[int, int, int], Operator] | None:
    """What a name stands for: channels, resolution and stride to an operator; None if it stands for nothing.

    >>> cell_op("sep_conv_3x3")(16, 8, 2).key
    'sepconv_k3_s2_c16-16_r8'

    Args:
        name: such as ``sep_conv_3x3``.
        skip_halves_whole: whether a skip of stride 2 is a factorised reduction, as in DARTS, and not a
            ReLU-1x1-norm, as in NASNet.
    """
    asymmetric = _ASYMMETRIC.fullmatch(name)
    if asymmetric:
        kernel = int(asymmetric["row"] or asymmetric["column"])
        return lambda c, r, s: AsymConv(c, c, r, kernel=kernel, stride=s)
    if name in ("skip", "skip_connect"):
        return _skip if skip_halves_whole else _skip_by_conv
    if name == "none":
        return _zero
    match = _NAME.fullmatch(name)
    make = None if match is None else _WITH_KERNEL.get(match["word"])
    size = 0 if match is None else int(match["kernel"])
    if make is None or size % 2 == 0:
        return None
    return lambda c, r, s: make(c, r, s, size)
