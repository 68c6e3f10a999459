"""A dry run: what a run would do, how long it may take, and what it would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fbsearch.data import DataSplits
from fbsearch.devices import find_device
from fbsearch.export import ConversionCache
from fbsearch.latency.estimate import estimate_profile_seconds
from fbsearch.pipeline.recipe import Recipe
from fbsearch.spaces import LayerwiseSpace


@dataclass(frozen=True)
class PlannedStage:
    """A line of a dry run.

    Args:
        name: of the stage.
        action: what it would do.
        writes: the files it would write.
        seconds: a rough estimate, or None where there is no basis for one.
    """

    name: str
    action: str
    writes: tuple[str, ...]
    seconds: float | None = None


def plan_run(
    recipe: Recipe, space: LayerwiseSpace, data: DataSplits, formats: Sequence[str]
) -> list[PlannedStage]:
    """The stages of a run, in order.

    Args:
        recipe: every setting.
        space: of the recipe.
        data: of the recipe.
        formats: of the model files.
    """
    device = f"{recipe.device.name} ({recipe.device.runtime}, {recipe.device.threads} thread(s))"
    images = f"{len(data.train)} images of {recipe.data.source}"
    unit = "" if isinstance(recipe.budget_ms, str) else " ms"
    given = recipe.budgets.model_dump(exclude_none=True)
    budgets = "".join(f", {name.replace('_', ' ')} {value}" for name, value in given.items())
    searched = f"{recipe.search.epochs} epochs over {space.num_architectures:.3g} architectures"
    return [
        _profile(recipe, space, device),
        _calibrate(recipe, space),
        PlannedStage(
            "search",
            f"{searched}, {images}, budget {recipe.budget_ms}{unit}{budgets}",
            ("search/", "architecture.json"),
        ),
        PlannedStage("train", f"{recipe.train.epochs} epochs, {images}", ("train/", "weights.safetensors")),
        PlannedStage("export", f"to {' and '.join(formats)}", tuple(f"model.{f}" for f in formats)),
        PlannedStage("verify", f"on {len(data.test)} test images and {device}", ("verification.json",)),
        PlannedStage("report", "one page", ("report.html",)),
    ]


def _profile(recipe: Recipe, space: LayerwiseSpace, device: str) -> PlannedStage:
    if recipe.profile.table is not None:
        return PlannedStage("profile", f"use {recipe.profile.table}", ("table.json",))
    estimate = estimate_profile_seconds(
        space,
        ConversionCache(),
        runtime=recipe.device.runtime,
        jobs=recipe.profile.jobs,
        definition=find_device(recipe.device.name).definition,
    )
    action = f"measure {estimate.num_operators} operators of {space.name} on {device}"
    if estimate.num_missing:
        action += f", converting {estimate.num_missing} first"
    return PlannedStage("profile", action, ("table.json",), estimate.seconds)


def _calibrate(recipe: Recipe, space: LayerwiseSpace) -> PlannedStage:
    count = min(recipe.confirm.num_networks, space.num_architectures)
    action = f"measure {count} whole networks, unless the table comes with them"
    return PlannedStage("calibrate", action if count else "nothing: plain sums", ("table.json",))
