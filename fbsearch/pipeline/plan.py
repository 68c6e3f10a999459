"""A dry run: what a run would do, how long it may take, and what it would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.data import DataSplits
from fbsearch.devices import DeviceDefinition
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.latency.estimate import estimate_networks_seconds, estimate_profile_seconds
from fbsearch.pipeline.folder import RunPaths
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
    recipe: Recipe,
    space: LayerwiseSpace,
    data: DataSplits,
    formats: Sequence[str],
    definition: DeviceDefinition,
) -> list[PlannedStage]:
    """The stages of a run, in order.

    Args:
        recipe: every setting.
        space: of the recipe.
        data: of the recipe.
        formats: of the model files.
        definition: of the device.
    """
    settings = recipe.device
    device = f"{settings.name} ({settings.runtime}, {settings.threads} thread(s), {settings.precision})"
    models = tuple(RunPaths(Path()).model(name, settings.precision).name for name in formats)
    images = f"{len(data.train)} images of {recipe.data.source}"
    unit = "" if isinstance(recipe.budget_ms, str) else " ms"
    given = recipe.budgets.model_dump(exclude_none=True)
    budgets = "".join(f", {name.replace('_', ' ')} {value}" for name, value in given.items())
    searched = f"{recipe.search.epochs} epochs over {space.num_architectures:.3g} architectures"
    return [
        _profile(recipe, space, device, definition),
        _calibrate(recipe, space, definition),
        PlannedStage(
            "search",
            f"{searched}, {images}, budget {recipe.budget_ms}{unit}{budgets}",
            ("search/", "architecture.json"),
        ),
        PlannedStage("train", f"{recipe.train.epochs} epochs, {images}", ("train/", "weights.safetensors")),
        PlannedStage("export", f"to {' and '.join(formats)}", models),
        PlannedStage("verify", f"on {len(data.test)} test images and {device}", ("verification.json",)),
        PlannedStage("report", "one page", ("report.html",)),
    ]


def _profile(
    recipe: Recipe, space: LayerwiseSpace, device: str, definition: DeviceDefinition
) -> PlannedStage:
    if recipe.profile.table is not None:
        return PlannedStage("profile", f"use {recipe.profile.table}", ("table.json",))
    estimate = estimate_profile_seconds(
        space,
        ConversionCache(),
        runtime=recipe.device.runtime,
        precision=recipe.device.precision,
        jobs=recipe.profile.jobs,
        definition=definition,
    )
    action = f"measure {estimate.num_models} operators of {space.name} on {device}"
    if estimate.num_missing:
        action += f", converting {estimate.num_missing} first"
    return PlannedStage("profile", action, ("table.json",), estimate.seconds)


def _calibrate(recipe: Recipe, space: LayerwiseSpace, definition: DeviceDefinition) -> PlannedStage:
    wanted = min(recipe.confirm.num_networks, space.num_architectures)
    if not wanted:
        return PlannedStage("calibrate", "nothing: plain sums", ("table.json",))
    known = LatencyTable.load(Path(recipe.profile.table)).calibration if recipe.profile.table else None
    if known is not None and known.matches(space) and len(known.networks) >= wanted:
        return PlannedStage("calibrate", "nothing: the table comes with whole networks", ("table.json",))
    estimate = estimate_networks_seconds(
        space,
        wanted,
        runtime=recipe.device.runtime,
        jobs=recipe.profile.jobs,
        definition=definition,
    )
    action = f"measure {wanted} whole networks, converting them first"
    return PlannedStage("calibrate", action, ("table.json",), estimate.seconds)
