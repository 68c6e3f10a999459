"""The stages, composed: each reads files and writes files."""

from fbsearch.pipeline.plan import PlannedStage
from fbsearch.pipeline.recipe import Recipe, load_recipe, recipe_names
from fbsearch.pipeline.run import Run

__all__ = ["PlannedStage", "Recipe", "Run", "load_recipe", "recipe_names"]
