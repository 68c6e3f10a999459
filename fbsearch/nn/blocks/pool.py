"""Pooling with 'same' padding."""

from __future__ import annotations

from torch import nn

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build


@build.register
def _build_average(op: operators.AvgPool) -> nn.Module:
    return nn.AvgPool2d(op.kernel, op.stride, padding=op.kernel // 2, count_include_pad=False)


@build.register
def _build_max(op: operators.MaxPool) -> nn.Module:
    return nn.MaxPool2d(op.kernel, op.stride, padding=op.kernel // 2)
