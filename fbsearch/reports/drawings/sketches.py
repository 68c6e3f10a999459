"""How each kind of operator is drawn: a kind adds itself with ``@sketch.register``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

from fbsearch.architecture import Operator, operators

_KERNEL_CLASSES = {1: "k1", 3: "k3", 5: "k5", 7: "k7"}
_LARGEST_KERNEL = "k7"
_WIDTH = 52.0


@dataclass(frozen=True)
class Sketch:
    """The looks of an operator's body.

    Args:
        width: in pixels.
        height: in pixels.
        colour: style class.
        is_round: whether its ends are round.
        groups: parts that stand apart.
        has_gate: whether a dot stands for channel gates.
    """

    width: float = _WIDTH
    height: float = 13.0
    colour: str = "fixed"
    is_round: bool = False
    groups: int = 1
    has_gate: bool = False


@singledispatch
def sketch(operator: Operator) -> Sketch:
    """The looks of an operator: those of a plain block, unless its kind has its own."""
    return Sketch()


def _height(kernel: int) -> float:
    return 12.0 + min(kernel, 7)


def _coloured(kernel: int, *, width: float = _WIDTH, groups: int = 1) -> Sketch:
    """A block that is searched: its colour tells the kernel."""
    return Sketch(width, _height(kernel), _KERNEL_CLASSES.get(kernel, _LARGEST_KERNEL), groups=groups)


@sketch.register
def _of_conv(op: operators.Conv) -> Sketch:
    return Sketch(height=_height(op.kernel), groups=op.groups)


@sketch.register
def _of_mbconv(op: operators.MBConv) -> Sketch:
    """Its width grows with the expansion, square-root wise so that 1, 3 and 6 stay apart."""
    return Sketch(
        width=min(16 + 24 * math.sqrt(op.expansion), 88),
        height=_height(op.kernel),
        colour=_KERNEL_CLASSES.get(op.kernel, _LARGEST_KERNEL),
        groups=op.groups,
        has_gate=op.squeeze_excite > 0,
    )


@sketch.register
def _of_skip(op: operators.Skip) -> Sketch:
    return Sketch(width=16.0, height=10.0)


@sketch.register
def _of_classifier(op: operators.Classifier) -> Sketch:
    return Sketch(is_round=True)


@sketch.register(operators.AvgPool)
@sketch.register(operators.MaxPool)
def _of_pool(op: operators.AvgPool | operators.MaxPool) -> Sketch:
    return Sketch(width=40.0, height=_height(op.kernel), is_round=True)


@sketch.register(operators.ReluConv)
@sketch.register(operators.SepConv)
@sketch.register(operators.DilConv)
@sketch.register(operators.AsymConv)
def _of_cell_conv(
    op: operators.ReluConv | operators.SepConv | operators.DilConv | operators.AsymConv,
) -> Sketch:
    return _coloured(op.kernel)


@sketch.register
def _of_basic(op: operators.BasicBlock) -> Sketch:
    return _coloured(op.kernel, width=64.0)


@sketch.register
def _of_bottleneck(op: operators.Bottleneck) -> Sketch:
    return _coloured(op.kernel, width=64.0, groups=op.groups)


@sketch.register(operators.ZenBasic)
@sketch.register(operators.ZenBottleneck)
@sketch.register(operators.ZenInverted)
def _of_zen(op: operators.ZenBlock) -> Sketch:
    """Its width grows with that of the inner channels against the output's, as an inverted bottleneck's."""
    return Sketch(
        width=min(24 + 16 * math.sqrt(op.hidden / op.out_channels), 88),
        height=_height(op.kernel),
        colour=_KERNEL_CLASSES.get(op.kernel, _LARGEST_KERNEL),
        has_gate=op.gated,
    )


@sketch.register
def _of_reduce(op: operators.FactorisedReduce) -> Sketch:
    return Sketch(width=40.0, groups=2)


@sketch.register(operators.Add)
@sketch.register(operators.Concat)
def _of_join(op: operators.Add | operators.Concat) -> Sketch:
    return Sketch(width=28.0, height=12.0, is_round=True)


@sketch.register
def _of_relu(op: operators.Relu) -> Sketch:
    return Sketch(width=28.0, height=10.0)


@sketch.register
def _of_zero(op: operators.Zero) -> Sketch:
    return Sketch(width=8.0, height=8.0, is_round=True)
