"""What all stages of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fbsearch.data import DataSplits
from fbsearch.pipeline.choice.searching import SharedSearch
from fbsearch.pipeline.recipe import ModelKind, Recipe
from fbsearch.pipeline.stages.inputs import load_splits, space_for
from fbsearch.pipeline.targets.target import Notify, Target
from fbsearch.records import RunPaths
from fbsearch.spaces import Space, load_definition


@dataclass(frozen=True)
class RunContext:
    """A recipe, its folder and its targets.

    Args:
        recipe: complete: nothing is left to the devices' definitions.
        paths: of the run.
        targets: at least one.
        progress: show progress.
        notify: told in one line what happens.
        shared_search: that the search chooses from; None for one of its own.
    """

    recipe: Recipe
    paths: RunPaths
    targets: tuple[Target, ...]
    progress: bool
    notify: Notify
    shared_search: SharedSearch | None = None

    @cached_property
    def data(self) -> DataSplits:
        """The images, at the space's input size."""
        recipe = self.recipe
        definition = load_definition(
            recipe.space.source, resolution=recipe.space.resolution, in_channels=recipe.space.in_channels
        )
        return load_splits(
            recipe.data,
            resolution=definition.resolution,
            in_channels=definition.in_channels,
            seed=recipe.seed,
        )

    @cached_property
    def space(self) -> Space:
        """The space, with the data's number of classes."""
        fields = self.recipe.space.model_dump()
        return space_for(self.data.num_classes, fields.pop("source"), **fields)

    @property
    def models(self) -> dict[Path, ModelKind]:
        """The model files to export, with their kinds: those that the targets run first."""
        precision = self.recipe.device.precision
        asked_for: dict[Path, ModelKind] = {
            self.paths.model(model_format, precision): (model_format, precision)
            for model_format in self.recipe.export.formats
        }
        return {target.model: target.model_kind for target in self.targets} | asked_for
