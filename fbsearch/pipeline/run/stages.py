"""The stages of a run, each from files to files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fbsearch.architecture import Architecture
from fbsearch.pipeline.run.context import RunContext
from fbsearch.pipeline.run.search_stage import search_stage
from fbsearch.pipeline.stages.exporting import NO_FINETUNING, run_export
from fbsearch.pipeline.stages.finetuning import check_finetuning
from fbsearch.pipeline.stages.inputs import augmentation_of
from fbsearch.pipeline.stages.training import check_training, run_training
from fbsearch.pipeline.targets.checks import verify_target
from fbsearch.pipeline.targets.tables import calibrate_target, profile_target
from fbsearch.pipeline.targets.target import Target
from fbsearch.precision import INTEGER_PRECISIONS
from fbsearch.records import InputRecord
from fbsearch.records.run import stage_kind
from fbsearch.spaces import Space

Stage = Callable[[], None]

SHARED_STAGES = ("search", "train")
"""Kinds of the stages that several processes run together."""


def make_stages(context: RunContext) -> dict[str, Stage]:
    """The stages by their names, in order."""
    targets = context.targets
    return {
        **{
            target.stage("profile"): partial(_with_space, profile_target, context, target)
            for target in targets
        },
        **{
            target.stage("calibrate"): partial(_with_space, calibrate_target, context, target)
            for target in targets
        },
        "search": partial(search_stage, context),
        "train": partial(train_stage, context),
        "export": partial(export_stage, context),
        **{target.stage("verify"): partial(_verify, context, target) for target in targets},
    }


def table_stages(context: RunContext) -> list[str]:
    """The names of the stages before the search."""
    return [name for name in make_stages(context) if is_of_table(name)]


def is_of_table(name: str) -> bool:
    """Whether a stage makes a target's table, before the search."""
    return stage_kind(name) in ("profile", "calibrate")


def check_stages(context: RunContext, num_processes: int) -> None:
    """Refuse a teacher that is not there, and a fine-tuning that no target's model can have, or that several
    processes would share.

    Raises:
        InvalidInputError: saying which.
    """
    check_training(context.recipe.train)
    precisions = [target.settings.device.precision for target in context.targets]
    integers = [precision for precision in precisions if precision in INTEGER_PRECISIONS]
    finetune = context.recipe.export.finetune
    check_finetuning(finetune, (integers or precisions)[0], num_processes=num_processes)


def _with_space(run: Callable[[Target, Space], None], context: RunContext, target: Target) -> None:
    run(target, context.space)


def _verify(context: RunContext, target: Target) -> None:
    verify_target(target, context.data)


def train_stage(context: RunContext) -> None:
    """Train the architecture that the search chose."""
    recipe, data = context.recipe, context.data
    result = run_training(
        Architecture.load(context.paths.architecture),
        data=data,
        inputs=InputRecord.of(recipe.data, data, recipe.seed),
        augmentation=augmentation_of(recipe.data, data),
        settings=recipe.train,
        seed=recipe.seed,
        paths=context.paths,
        resume=True,
        progress=context.progress,
    )
    context.notify(f"train: test accuracy {result.test.top1:.2%}")


def export_stage(context: RunContext) -> None:
    """Write every model file that a target runs, or that is asked for."""
    for model, (_, precision) in context.models.items():
        run_export(
            context.paths.root,
            model,
            precision=precision,
            calibration_images=context.recipe.export.calibration_images,
            finetune=context.recipe.export.finetune if precision in INTEGER_PRECISIONS else NO_FINETUNING,
            data=context.data,
            progress=context.progress,
            notify=lambda line: context.notify(f"export: {line}"),
        )
        context.notify(f"export: {model} ({model.stat().st_size / 1024:.0f} KiB)")
