"""A dry run: what a run would do, how long it may take, and what it would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.data import DataSplits
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.latency.estimate import estimate_networks_seconds, estimate_profile_seconds
from fbsearch.pipeline.recipe import FinetuneSettings
from fbsearch.pipeline.run_device import RunDevice
from fbsearch.spaces import FactoredSpace


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
    devices: Sequence[RunDevice], space: FactoredSpace, data: DataSplits, models: Sequence[Path]
) -> list[PlannedStage]:
    """The stages of a run, in order.

    Args:
        devices: of the run.
        space: of the recipe.
        data: of the recipe.
        models: the files to export.
    """
    recipe = devices[0].recipe
    images = f"{len(data.train)} images of {recipe.data.source}"
    given = recipe.budgets.model_dump(exclude_none=True)
    budgets = "".join(f", {name.replace('_', ' ')} {value}" for name, value in given.items())
    latencies = " and ".join(map(_budget, devices))
    searched = f"{recipe.search.epochs} epochs over {space.size:.3g} architectures"
    return [
        *(_profile(device, space) for device in devices),
        *(_calibrate(device, space) for device in devices),
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
        *(_verify(device, data) for device in devices[::-1]),
        PlannedStage("report", "one page", ("report.html",)),
    ]


def _finetuning(settings: FinetuneSettings) -> str:
    if not settings.epochs:
        return ""
    return f", fine-tuned (epochs: {settings.epochs}) if over {settings.max_accuracy_drop:.2%} are lost"


def _describe(device: RunDevice) -> str:
    how = device.settings.device
    return f"{how.name} ({how.runtime}, {how.threads} thread(s), {how.precision})"


def _budget(device: RunDevice) -> str:
    budget = device.settings.budget_ms
    text = budget if isinstance(budget, str) else f"{budget} ms"
    return text if device.number == 1 else f"{text} on {_describe(device)}"


def _profile(device: RunDevice, space: FactoredSpace) -> PlannedStage:
    name, writes, settings = device.stage("profile"), (device.table.name,), device.settings
    if settings.profile.table is not None:
        return PlannedStage(name, f"use {settings.profile.table}", writes)
    estimate = estimate_profile_seconds(
        space.operators(),
        ConversionCache(),
        runtime=settings.device.runtime,
        precision=settings.device.precision,
        jobs=settings.profile.jobs,
        definition=device.device.definition,
    )
    action = f"measure {estimate.num_models} operators of {space.name} on {_describe(device)}"
    if estimate.num_missing:
        action += f", converting {estimate.num_missing} first"
    return PlannedStage(name, action, writes, estimate.seconds)


def _calibrate(device: RunDevice, space: FactoredSpace) -> PlannedStage:
    name, writes, settings = device.stage("calibrate"), (device.table.name,), device.settings
    wanted = min(device.recipe.confirm.num_networks, space.size)
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
        definition=device.device.definition,
    )
    action = f"measure {wanted} whole networks, converting them first"
    return PlannedStage(name, action, writes, estimate.seconds)


def _verify(device: RunDevice, data: DataSplits) -> PlannedStage:
    writes = (device.paths.verification_of(device.number).name,)
    action = f"on {len(data.test)} test images and {_describe(device)}"
    return PlannedStage(device.stage("verify"), action, writes)
