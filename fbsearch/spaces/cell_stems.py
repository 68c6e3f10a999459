"""The stems of networks of cells, as operators one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from fbsearch.architecture import Operator, Shape
from fbsearch.architecture.operators import Conv, ReluConv
from fbsearch.errors import SpaceError
from fbsearch.spaces.cell_plans import StemPlan


def stem_operators(stem: StemPlan, image: Shape) -> Iterator[Operator]:
    """The convolutions before the first cell.

    Raises:
        SpaceError: if the channels cannot be halved where they must be.
    """
    width, size = stem.channels, image.resolution
    if stem.layout == "single":
        yield Conv(
            image.channels, width, size, kernel=stem.kernel, stride=stem.stride, activation=stem.activation
        )
    elif stem.layout == "cells":
        yield Conv(image.channels, width, size, kernel=3, stride=2, without_padding=True)
    else:
        if width % 2:
            raise SpaceError(f"a stem of three convolutions has an even number of channels, not {width}")
        first = Conv(image.channels, width // 2, size, kernel=3, stride=2, activation="relu")
        second = Conv(width // 2, width, first.output.resolution, kernel=3, stride=2)
        yield first
        yield second
        yield ReluConv(width, width, second.output.resolution, kernel=3, stride=2)


def num_stem_reductions(stem: StemPlan, channels: int) -> int:
    """Reduction cells that belong to the stem, before the first stage's cells of ``channels``.

    Raises:
        SpaceError: if they cannot have a quarter of the channels.
    """
    if stem.layout != "cells":
        return 0
    if channels % 4:
        raise SpaceError(
            f"with a stem of reduction cells at a quarter and a half of the width, channels must be a "
            f"multiple of 4, not {channels}"
        )
    return 2
