"""The stages, composed: each reads files and writes files."""

from fbsearch.pipeline.recipe import Recipe, load_recipe, recipe_names
from fbsearch.pipeline.run.plan import PlannedStage
from fbsearch.pipeline.run.run import Run
from fbsearch.pipeline.sweeps.run import SweepRun

__all__ = ["PlannedStage", "Recipe", "Run", "SweepRun", "load_recipe", "recipe_names"]
