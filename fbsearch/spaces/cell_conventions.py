"""How the authors of cells build networks of them: what a genotype leaves open, and parameters depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ConventionsName = Literal["darts", "nasnet"]
StemLayout = Literal["single", "convolutions", "cells"]


@dataclass(frozen=True)
class Conventions:
    """The choices that two releases make differently.

    Args:
        always_fits_previous: whether the output of the last cell but one passes a ReLU-1x1-norm also where
            its width and resolution are a cell's already; that of the last cell always does.
        skip_halves_whole: whether a skip of stride 2 is a factorised reduction, and not a ReLU-1x1-norm.
        ends_in_relu: whether a ReLU stands between the last cell and the pooling.
        counts_reductions: whether the number of cells in a network counts the reduction cells.
        image_stem: before networks for images of ImageNet's size: three convolutions of stride 2, or one
            without padding and two reduction cells at a quarter and a half of the width.
        image_stem_channels: of that stem where nobody names them; None for those of the first cells.
        auxiliary_after_reduction: whether the auxiliary head takes the second reduction cell's output, and
            not that of the normal cell before it.
    """

    always_fits_previous: bool
    skip_halves_whole: bool
    ends_in_relu: bool
    counts_reductions: bool
    image_stem: StemLayout
    image_stem_channels: int | None
    auxiliary_after_reduction: bool


CONVENTIONS: dict[ConventionsName, Conventions] = {
    "darts": Conventions(
        always_fits_previous=True,
        skip_halves_whole=True,
        ends_in_relu=False,
        counts_reductions=True,
        image_stem="convolutions",
        image_stem_channels=None,
        auxiliary_after_reduction=True,
    ),
    "nasnet": Conventions(
        always_fits_previous=False,
        skip_halves_whole=False,
        ends_in_relu=True,
        counts_reductions=False,
        image_stem="cells",
        image_stem_channels=32,
        auxiliary_after_reduction=False,
    ),
}
"""Those of DARTS (Liu et al., 2019; SNAS shares them) and of NASNet (Zoph et al., 2018), as released."""
