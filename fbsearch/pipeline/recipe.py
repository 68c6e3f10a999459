"""A recipe: every setting of a run, as one validated YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from fbsearch.devices import MeasurementProtocol, RuntimeName
from fbsearch.errors import RecipeError
from fbsearch.files import parse_yaml
from fbsearch.pipeline.budgets import BudgetSettings
from fbsearch.precision import Precision
from fbsearch.records import DataSettings
from fbsearch.records.agreement import MAX_ABS_DIFF
from fbsearch.search import DEFAULT_METHOD, AnyMethodSettings, find_method
from fbsearch.train import TrainSettings

_Model_co = TypeVar("_Model_co", bound=BaseModel)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpaceSettings(_Model):
    """Which space: a preset or a YAML file, and fields of it to replace (None leaves a field alone)."""

    source: str
    resolution: Annotated[int, Field(ge=1)] | None = None
    in_channels: Annotated[int, Field(ge=1)] | None = None
    num_classes: Annotated[int, Field(ge=2)] | None = None
    width_multiplier: Annotated[float, Field(gt=0)] | None = None
    head_channels: Annotated[int, Field(ge=0)] | None = None


class DeviceSettings(_Model):
    """Where models run and how.

    Args:
        name: ``local``, the name of a device file, a path to one, ``adb:SERIAL`` or ``HOST:PORT``.
        runtime: what runs them; left out, as the device file says.
        threads: within one operator; left out, as the device file says.
        precision: of the models; left out, as the device file says.
    """

    name: str = "local"
    runtime: RuntimeName = "tflite"
    threads: Annotated[int, Field(ge=1)] = 1
    precision: Precision = "fp32"


class ProfileSettings(_Model):
    """How the table is measured.

    Args:
        table: an existing table to use; None to measure one.
        jobs: conversions side by side; None for one per core.
        protocol: see :class:`fbsearch.devices.MeasurementProtocol`; fields left out are the device's own.
    """

    table: str | None = None
    jobs: Annotated[int, Field(ge=1)] | None = None
    protocol: MeasurementProtocol = MeasurementProtocol()


def _share_of_range(value: float | str) -> float | str:
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        if match is None or not 0 <= float(match[1]) <= 100:
            raise ValueError(f"{value!r} is neither milliseconds nor a percentage of the space's range")
    return value


LatencyBudget = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | str, AfterValidator(_share_of_range)
]
"""Milliseconds, or a percentage such as ``50%`` of the way from the space's least to its greatest latency."""


def latency_budget_us(budget: float | str, range_us: tuple[float, float]) -> float:
    """A latency budget in microseconds.

    Args:
        budget: milliseconds or a percentage, as a recipe says it.
        range_us: latencies of the space's fastest and slowest architecture.
    """
    if not isinstance(budget, str):
        return budget * 1000
    match = _PERCENT.fullmatch(budget)
    assert match is not None
    least, greatest = range_us
    return least + (greatest - least) * float(match[1]) / 100


class TargetSettings(_Model):
    """A device that has to keep a latency budget of its own.

    Args:
        device: where the model will run.
        budget_ms: the latency budget there: milliseconds, or a percentage of the space's range there.
        profile: the latency table of this device.
    """

    device: DeviceSettings
    budget_ms: LatencyBudget
    profile: ProfileSettings = ProfileSettings()


class ConfirmSettings(_Model):
    """How the table's sums are tied to whole networks.

    Args:
        num_networks: whole networks, chosen by design, with which the table is calibrated before the search;
            0 takes plain sums.
        margin: share of the budget kept free when an architecture is chosen by its measured latency.
        attempts: times that the finalists may be measured and proposed again.
        exports: models that may be trained and exported until one, measured as exported, keeps the budget.
    """

    num_networks: Annotated[int, Field(ge=0)] = 8
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.03
    attempts: Annotated[int, Field(ge=1)] = 4
    exports: Annotated[int, Field(ge=1)] = 4

    @field_validator("num_networks")
    @classmethod
    def _enough_for_a_fit(cls, value: int) -> int:
        if 0 < value < 4:
            raise ValueError("fewer than 4 networks make no calibration; use 0 or at least 4")
        return value


class FinetuneSettings(_Model):
    """Fine-tuning with fake quantisation, of int8 models that lose too much accuracy.

    Args:
        epochs: how many; 0 for never, without a look at the accuracy.
        max_accuracy_drop: of the file against the network in fp32, on the validation images; what loses no
            more is left as it is.
        learning_rate_share: of the training's highest learning rate, from which it falls to zero.
        num_samples: validation images to judge by; None for all.
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    max_accuracy_drop: Annotated[float, Field(ge=0, lt=1)] = 0.01
    learning_rate_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    num_samples: Annotated[int, Field(ge=1)] | None = 2000


class ExportSettings(_Model):
    """Which model files, besides the one of the device's runtime; all in the device's precision.

    Args:
        formats: of the files.
        calibration_images: training images from which int8 takes the ranges of activations.
        finetune: of int8 models that lose too much.
    """

    formats: tuple[Literal["tflite", "onnx"], ...] = ("tflite", "onnx")
    calibration_images: Annotated[int, Field(ge=1)] = 128
    finetune: FinetuneSettings = FinetuneSettings()


class VerifySettings(_Model):
    """How the exported model is checked.

    Args:
        num_samples: test images compared and classified; None for all.
        num_device_samples: of them, so many are also computed on a device that is not this computer, where
            each takes a launch; this computer's interpreter computes the others.
        max_abs_diff: largest difference allowed between the logits of PyTorch and an fp32 model.
        min_top1_agreement: least share of images on which a model must choose the class that PyTorch does;
            None for what its precision allows, see docs/precisions.md.
    """

    num_samples: Annotated[int, Field(ge=1)] | None = 1000
    num_device_samples: Annotated[int, Field(ge=0)] = 4
    max_abs_diff: Annotated[float, Field(gt=0)] = MAX_ABS_DIFF
    min_top1_agreement: Annotated[float, Field(ge=0, le=1)] | None = None


class Recipe(_Model):
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


def load_recipe(source: str, overrides: Sequence[str] = (), *, method: str | None = None) -> Recipe:
    """The recipe of a name or a YAML file, with ``a.b=c`` overrides.

    >>> load_recipe("quickstart", ["search.epochs=5"]).search.effort
    '5 epochs'

    Args:
        source: name or path.
        overrides: of its settings.
        method: that searches in place of the recipe's, whose settings make way for its defaults.

    Raises:
        RecipeError: if there is no such recipe, or a field is wrong; the message names it.
        InvalidInputError: if there is no such method.
    """
    data = _read(source)
    if method is not None and method != recipe_method(data):
        data = {**data, "search": {"method": find_method(method).name}}
    return parse_recipe(apply_overrides(data, overrides), source=f"recipe {source}")


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


def settings_from(
    model: type[_Model_co], overrides: Sequence[str], *, source: str, **given: str
) -> _Model_co:
    """Settings of a single stage from ``name=value`` overrides of their defaults and what is given.

    Raises:
        RecipeError: naming the first wrong field.
    """
    return validate_settings(model, apply_overrides(given, overrides), source=source)


def validate_settings(model: type[_Model_co], data: Mapping[str, Any], *, source: str) -> _Model_co:
    """``data`` as a ``model``, with pydantic's first complaint as one line.

    Raises:
        RecipeError: naming the first wrong field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        given = f", given {first['input']!r}" if not isinstance(first["input"], dict) else ""
        where = f"{source}: {place}" if place else source
        raise RecipeError(f"{where}: {first['msg'].removeprefix('Value error, ')}{given}") from None


def apply_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``data`` with each ``a.b=c`` applied; ``c`` is read as YAML.

    Raises:
        RecipeError: if an override is not of that form.
    """
    changed = dict(data)
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not all(path.split(".")):
            raise RecipeError(f"--set {override!r}: write NAME=VALUE, such as search.epochs=5")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise RecipeError(f"--set {override!r}: {text!r} is no YAML value: {error}") from None
        _assign(changed, path.split("."), value, override)
    return changed


def _assign(data: dict[str, Any], path: Sequence[str], value: Any, override: str) -> None:
    """Set ``data[path[0]][path[1]]…``, copying every mapping and list on the way."""
    group: Any = data
    for name in path[:-1]:
        key: Any = _key(group, name, override)
        inner = group[key] if isinstance(group, list) else group.get(key)
        if inner is not None and not isinstance(inner, (Mapping, list)):
            raise RecipeError(f"--set {override!r}: {name!r} is a value, not a group of settings")
        group[key] = list(inner) if isinstance(inner, list) else dict(inner or {})
        group = group[key]
    group[_key(group, path[-1], override)] = value


def _key(group: Any, name: str, override: str) -> str | int:
    """The key that ``name`` is in a group of settings: in a list, a number from 0."""
    if not isinstance(group, list):
        return name
    if not name.isdecimal() or int(name) >= len(group):
        raise RecipeError(
            f"--set {override!r}: {name!r} is none of the list's {len(group)} entries, which count from 0"
        )
    return int(name)


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
            text = Path(source).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"recipe {source!r} is neither known ({', '.join(recipe_names())}) "
                f"nor a readable YAML file: {error}"
            ) from None
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise RecipeError(f"recipe {source}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"recipe {source}: must be a mapping with 'name', 'budget_ms', 'data', 'space', …")
    return data
