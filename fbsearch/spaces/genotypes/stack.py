"""How many cells of which width, for which images: the network around a genotype."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fbsearch.spaces.cell_conventions import Conventions
from fbsearch.spaces.cell_plans import StemPlan
from fbsearch.spaces.definition import Count, DefinitionPart

MAX_CELLS = 300
NUM_STAGES = 3
"""Two reductions lie between them."""

LARGEST_SMALL_IMAGE = 64
"""In pixels: up to here a network begins with a plain convolution, unless it is told otherwise."""

StemSize = Literal["cifar", "imagenet"]


class Stack(DefinitionPart):
    """The network around the cells.

    Args:
        cells: how many; NASNet's conventions count normal cells, DARTS' reduction cells too.
        channels: of the first stage's cells; doubled at each of the two reductions.
        resolution: of the image in pixels.
        in_channels: of the image.
        num_classes: to tell apart.
        stem: for small images a convolution, for larger ones what divides the resolution by 8 (DARTS) or by
            8 and a border (NASNet); None goes by the resolution.
        stem_channels: None for three times the cells' (``cifar``), or for what the conventions say.
        skips_reduction_input: see :class:`~fbsearch.spaces.cell_plans.NetworkPlan`.
    """

    cells: Annotated[int, Field(ge=3, le=MAX_CELLS, strict=True)]
    channels: Count
    resolution: Count = 32
    in_channels: Count = 3
    num_classes: Annotated[Count, Field(ge=2)] = 10
    stem: StemSize | None = None
    stem_channels: Count | None = None
    skips_reduction_input: bool = False

    @property
    def stem_size(self) -> StemSize:
        """The stem, also where only the resolution tells."""
        by_resolution: StemSize = "cifar" if self.resolution <= LARGEST_SMALL_IMAGE else "imagenet"
        return self.stem or by_resolution

    def stem_plan(self, conventions: Conventions) -> StemPlan:
        """The stem for those who build."""
        if self.stem_size == "cifar":
            return StemPlan("single", self.stem_channels or 3 * self.channels)
        channels = self.stem_channels or conventions.image_stem_channels or self.channels
        return StemPlan(conventions.image_stem, channels)

    def stage_cells(self, conventions: Conventions) -> tuple[int, ...]:
        """Normal cells of each stage: reductions stand at, or before, the thirds of the cells."""
        first, second = self.cells // 3, 2 * self.cells // 3
        counted = 1 if conventions.counts_reductions else 0
        return first, second - first - counted, self.cells - second - counted
