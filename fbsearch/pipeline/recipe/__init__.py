"""What a run is told: settings, budgets, recipes, and the recipe that a folder keeps."""

from fbsearch.pipeline.recipe.budgets import (
    BudgetSettings,
    ModelKind,
    check_budgets,
    correct_file_size,
    describe_broken,
)
from fbsearch.pipeline.recipe.device_settings import checked_precision, given_settings, measured_on, on_device
from fbsearch.pipeline.recipe.overrides import apply_overrides, settings_from, validate_settings
from fbsearch.pipeline.recipe.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from fbsearch.pipeline.recipe.settings import (
    ConfirmSettings,
    DeviceSettings,
    ExportSettings,
    FinetuneSettings,
    ProfileSettings,
    SpaceSettings,
    TargetSettings,
    VerifySettings,
    latency_budget_us,
)
from fbsearch.pipeline.recipe.stored_recipe import claimed_folder, read_recipe

__all__ = [
    "BudgetSettings",
    "ConfirmSettings",
    "DeviceSettings",
    "ExportSettings",
    "FinetuneSettings",
    "ModelKind",
    "ProfileSettings",
    "Recipe",
    "SpaceSettings",
    "TargetSettings",
    "VerifySettings",
    "apply_overrides",
    "check_budgets",
    "checked_precision",
    "claimed_folder",
    "correct_file_size",
    "describe_broken",
    "given_settings",
    "latency_budget_us",
    "load_recipe",
    "measured_on",
    "on_device",
    "parse_recipe",
    "read_recipe",
    "recipe_names",
    "settings_from",
    "validate_settings",
]
