"""A recipe: every setting of a run, as one validated YAML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from fbsearch.errors import RecipeError, UnreadableFileError
from fbsearch.files import parse_yaml, read_text
from fbsearch.pipeline.recipe.budgets import BudgetSettings
from fbsearch.pipeline.recipe.overrides import apply_overrides, validate_settings
from fbsearch.pipeline.recipe.settings import (
    ConfirmSettings,
    DeviceSettings,
    ExportSettings,
    LatencyBudget,
    ProfileSettings,
    SettingsGroup,
    SpaceSettings,
    TargetSettings,
    VerifySettings,
)
from fbsearch.records import DataSettings
from fbsearch.search import DEFAULT_METHOD, AnyMethodSettings, find_method
from fbsearch.train import TrainSettings


class Recipe(SettingsGroup):
    """Everything that determines a run.

    Args:
        name: of the recipe.
        seed: of everything random.
        budget_ms: the latency budget: milliseconds, or a percentage such as ``50%`` of the way from the
            space's fastest to its slowest architecture on this device.
        budgets: further budgets, on what can be counted.
        data: which images.
        space: what may be chosen.
        device: where the model will run.
        profile: the latency table.
        other_devices: where it will run too, each with a budget and a table of its own.
        confirm: whole-network measurements.
        search: the method, and its settings.
        train: the found network's training.
        export: model files.
        verify: the final check.
    """

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    budget_ms: LatencyBudget
    budgets: BudgetSettings = BudgetSettings()
    data: DataSettings
    space: SpaceSettings
    device: DeviceSettings = DeviceSettings()
    profile: ProfileSettings = ProfileSettings()
    other_devices: tuple[TargetSettings, ...] = ()
    confirm: ConfirmSettings = ConfirmSettings()
    search: AnyMethodSettings = Field(default_factory=find_method(DEFAULT_METHOD).settings)
    train: TrainSettings = TrainSettings()
    export: ExportSettings = ExportSettings()
    verify: VerifySettings = VerifySettings()

    @property
    def targets(self) -> tuple[TargetSettings, ...]:
        """All devices, in the order in which the recipe lists them."""
        own = TargetSettings(device=self.device, budget_ms=self.budget_ms, profile=self.profile)
        return (own, *self.other_devices)

    def with_targets(self, targets: Sequence[TargetSettings]) -> Recipe:
        """The recipe with these in place of its own targets."""
        own, *others = targets
        fields = {"device": own.device, "budget_ms": own.budget_ms, "profile": own.profile}
        return self.model_copy(update={**fields, "other_devices": tuple(others)})

    def to_yaml(self) -> str:
        """The recipe with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with fbsearch."""
    files = resources.files("fbsearch.pipeline").joinpath("recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load_recipe(
    source: str,
    overrides: Sequence[str] = (),
    *,
    method: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Recipe:
    """The recipe of a name or a YAML file, with ``a.b=c`` overrides.

    >>> load_recipe("quickstart", ["search.epochs=5"]).search.effort
    '5 epochs'

    Args:
        source: name or path.
        overrides: of its settings.
        method: that searches in place of the recipe's, whose settings make way for its defaults.

        notify: told in one line of settings that make way.

    Raises:
        RecipeError: if there is no such recipe, or a field is wrong; the message names it.
        InvalidInputError: if there is no such method.
    """
    data, own = _read(source), None
    if method is not None and (own := recipe_method(data)) != method:
        data = {**data, "search": {"method": find_method(method).name}}
    recipe = parse_recipe(apply_overrides(data, overrides), source=f"recipe {source}")
    if method is not None and own != method and notify is not None:
        notify(
            f"search: the recipe's settings of method {own} are left aside; {method} has defaults of its own"
        )
    return recipe


def recipe_method(data: Mapping[str, Any]) -> Any:
    """The search method that a recipe's parsed YAML names."""
    search = data.get("search")
    return search.get("method", DEFAULT_METHOD) if isinstance(search, Mapping) else DEFAULT_METHOD


def parse_recipe(data: Mapping[str, Any], *, source: str) -> Recipe:
    """A recipe from parsed YAML.

    Raises:
        RecipeError: naming the first wrong field.
    """
    return validate_settings(Recipe, data, source=source)


def _read(source: str) -> dict[str, Any]:
    if source in recipe_names():
        text = (
            resources.files("fbsearch.pipeline")
            .joinpath("recipes")
            .joinpath(f"{source}.yaml")
            .read_text("utf-8")
        )
    else:
        try:
            text = read_text(Path(source))
        except UnreadableFileError as error:
            raise RecipeError(
                f"recipe {source!r} is neither known ({', '.join(recipe_names())}) "
                f"nor a readable YAML file: {error}"
            ) from None
    try:
        data = parse_yaml(text)
    except UnreadableFileError as error:
        raise RecipeError(f"recipe {source}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"recipe {source}: must be a mapping with 'name', 'budget_ms', 'data', 'space', …")
    return data
