"""A dry run: what a run would do, how long it may take, and what it would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.data import DataSplits
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import num_designed
from fbsearch.latency.profiling.estimate import estimate_networks_seconds, estimate_profile_seconds
from fbsearch.pipeline.recipe import FinetuneSettings
from fbsearch.pipeline.targets.tables import profiled_operators
from fbsearch.pipeline.targets.target import Target
from fbsearch.spaces import Space


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
    targets: Sequence[Target], space: Space, data: DataSplits, models: Sequence[Path]
) -> list[PlannedStage]:
    """The stages of a run, in order.

    Args:
        targets: of the run.
        space: of the recipe.
        data: of the recipe.
        models: the files to export.
    """
    recipe = targets[0].recipe
    images = f"{len(data.train)} images of {recipe.data.source}"
    given = recipe.budgets.model_dump(exclude_none=True)
    budgets = "".join(f", {name.replace('_', ' ')} {value}" for name, value in given.items())
    latencies = " and ".join(_budget(target, is_alone=len(targets) == 1) for target in targets)
    searched = f"{recipe.search.method}: {recipe.search.effort} over {describe_size(space)}"
    return [
        *(_profile(target, space) for target in targets),
        *(_calibrate(target, space) for target in targets),
        PlannedStage(
            "search", f"{searched}, {images}, budget {latencies}{budgets}", ("search/", "architecture.json")
        ),
        PlannedStage("train", f"{recipe.train.epochs} epochs, {images}", ("train/", "weights.safetensors")),
        PlannedStage(
            "export",
            f"to {' and '.join(dict.fromkeys(model.suffix[1:] for model in models))}"
            f"{_finetuning(recipe.export.finetune)}",
            tuple(model.name for model in models),
        ),
        *(_verify(target, data) for target in targets),
        PlannedStage("report", "one page", ("report.html",)),
    ]


def describe_size(space: Space) -> str:
    """How many architectures a space holds, in words."""
    return "an open space" if space.size is None else f"{space.size:.3g} architectures"


def _finetuning(settings: FinetuneSettings) -> str:
    if not settings.epochs:
        return ""
    return f", fine-tuned (epochs: {settings.epochs}) if over {settings.max_accuracy_drop:.2%} are lost"


def _describe(target: Target) -> str:
    how = target.settings.device
    return f"{how.name} ({how.runtime}, {how.threads} thread(s), {how.precision})"


def _budget(target: Target, *, is_alone: bool) -> str:
    budget = target.settings.budget_ms
    text = budget if isinstance(budget, str) else f"{budget} ms"
    return text if is_alone else f"{text} on {_describe(target)}"


def _profile(target: Target, space: Space) -> PlannedStage:
    name, writes, settings = target.stage("profile"), (target.table_path.name,), target.settings
    if settings.profile.table is not None:
        return PlannedStage(name, f"use {settings.profile.table}", writes)
    estimate = estimate_profile_seconds(
        profiled_operators(target, space),
        ConversionCache(),
        runtime=settings.device.runtime,
        precision=settings.device.precision,
        jobs=settings.profile.jobs,
        definition=target.device.definition,
    )
    action = f"measure {estimate.num_models} operators of {space.name} on {_describe(target)}"
    if estimate.num_missing:
        action += f", converting {estimate.num_missing} first"
    return PlannedStage(name, action, writes, estimate.seconds)


def _calibrate(target: Target, space: Space) -> PlannedStage:
    name, writes, settings = target.stage("calibrate"), (target.table_path.name,), target.settings
    wanted = num_designed(space, target.recipe.confirm.num_networks)
    if not wanted:
        return PlannedStage(name, "nothing: plain sums", writes)
    given = LatencyTable.load(Path(settings.profile.table)) if settings.profile.table else None
    if given is not None and given.calibration_for(space, least=wanted) is not None:
        return PlannedStage(name, "nothing: the table comes with whole networks", writes)
    estimate = estimate_networks_seconds(
        space,
        wanted,
        runtime=settings.device.runtime,
        jobs=settings.profile.jobs,
        definition=target.device.definition,
    )
    action = f"measure {wanted} whole networks, converting them first"
    return PlannedStage(name, action, writes, estimate.seconds)


def _verify(target: Target, data: DataSplits) -> PlannedStage:
    writes = (target.paths.verification(target.number).name,)
    action = f"on {len(data.test)} test images and {_describe(target)}"
    return PlannedStage(target.stage("verify"), action, writes)
