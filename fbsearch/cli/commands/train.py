"""``fbsearch train``: an architecture, trained into a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Data, Json, Limit, Out, Quiet, Resume, Seed, Set, SkipCorrupt, data_fields
from fbsearch.cli.printing import notify, print_json, show_progress

if TYPE_CHECKING:
    from fbsearch.architecture import Architecture
    from fbsearch.data import DataSplits
    from fbsearch.records import DataSettings
    from fbsearch.train import TrainResult

EXAMPLES = "Example: fbsearch train RUN/architecture.json --data DIR --out RUN --set epochs=100"


def train(
    architecture: Annotated[str, typer.Argument(help="A JSON file, or a published architecture's name.")],
    data: Data,
    out: Out,
    init: Annotated[
        Path | None,
        typer.Option("--init", help="Weights to start from, e.g. RUN/search/inherited.safetensors."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="Who helps: module:function, a run's folder, a TorchScript or ONNX file; "
            "more with --set distillation.NAME=VALUE.",
        ),
    ] = None,
    seed: Seed = 0,
    limit: Limit = None,
    skip_corrupt: SkipCorrupt = False,
    settings: Set = None,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train an architecture from scratch, or from a supernet's weights.

    --set takes settings of the training, such as --set epochs=100 or --set optimizer=adamw.
    """
    from fbsearch.pipeline.recipe import settings_from, validate_settings
    from fbsearch.pipeline.stages.inputs import augmentation_of
    from fbsearch.pipeline.stages.run_log import stage_alone
    from fbsearch.pipeline.stages.training import check_training, run_training
    from fbsearch.records import DataSettings, InputRecord, RunPaths
    from fbsearch.spaces import load_architecture
    from fbsearch.train import TrainSettings

    overrides = [*([f"distillation.teacher={json.dumps(teacher)}"] if teacher else []), *(settings or [])]
    train_settings = settings_from(TrainSettings, overrides, source="train")
    check_training(train_settings)
    data_settings = validate_settings(DataSettings, data_fields(data, limit, skip_corrupt), source="--data")
    network = load_architecture(architecture)
    images = _images(network, data_settings, seed)
    paths = RunPaths(out)
    with stage_alone(paths, "train", seed=seed):
        network.save(paths.architecture)
        result = run_training(
            network,
            data=images,
            inputs=InputRecord.of(data_settings, images, seed),
            augmentation=augmentation_of(data_settings, images),
            settings=train_settings,
            seed=seed,
            paths=paths,
            resume=resume,
            progress=show_progress(quiet),
            initial_weights=init,
        )
    _show(result, paths.weights, as_json=as_json)


def _images(architecture: Architecture, settings: DataSettings, seed: int) -> DataSplits:
    """Those that an architecture takes, with as many classes as it tells apart."""
    from fbsearch.pipeline.stages.inputs import check_classes, load_splits

    images = load_splits(
        settings, resolution=architecture.resolution, in_channels=architecture.in_channels, seed=seed
    )
    check_classes(architecture.num_classes, images.num_classes)
    return images


def _show(result: TrainResult, weights: Path, *, as_json: bool) -> None:
    if as_json:
        fields = {"test_accuracy": result.test.top1, "weights": str(weights), "seconds": result.seconds}
        print_json({**fields, **({"teacher": result.teacher.model_dump()} if result.teacher else {})})
    else:
        notify(f"{weights}: test accuracy {result.test.top1:.2%}")
