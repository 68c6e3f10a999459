"""The stages, composed: each reads files and writes files."""

from fbsearch.pipeline.recipe import Recipe, load_recipe, recipe_names
from fbsearch.pipeline.run import PlannedStage, Run

__all__ = ["PlannedStage", "Recipe", "Run", "load_recipe", "recipe_names"]
