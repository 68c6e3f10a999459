"""Train: an architecture and images in, weights and test metrics out."""

from __future__ import annotations

from pathlib import Path

import torch

from fbsearch.architecture import Architecture
from fbsearch.costs import count_architecture
from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import CheckpointError
from fbsearch.nn import Network, load_weights, save_weights
from fbsearch.records import InputRecord, RunPaths, TestMetrics, TrainingRecord, require, write_record
from fbsearch.train import (
    CHECKPOINT,
    TrainResult,
    TrainSettings,
    check_teacher,
    identity_of,
    make_accelerator,
    train_network,
)


def run_training(
    architecture: Architecture,
    *,
    data: DataSplits,
    inputs: InputRecord,
    augmentation: Augmentation | None,
    settings: TrainSettings,
    seed: int,
    paths: RunPaths,
    resume: bool,
    progress: bool,
    initial_weights: Path | None = None,
) -> TrainResult:
    """Train, test, and write weights, metrics and what the network was fed with.

    Args:
        architecture: what to train.
        data: images of its input size.
        inputs: what to remember of them.
        augmentation: of the training images.
        settings: the schedule.
        seed: of initialisation and batches.
        paths: where the files go.
        resume: go on from a checkpoint.
        progress: show progress.
        initial_weights: weights to start from, such as a supernet's; None for random ones.

    Raises:
        CheckpointError: if the initial weights or a checkpoint do not fit.
        TrainingError: if the loss stops being finite.
    """
    accelerator = make_accelerator(settings.precision)
    torch.manual_seed(seed)
    network = Network(architecture, drop_path=settings.drop_path, dropout=settings.dropout)
    if initial_weights is not None:
        load_weights(network, initial_weights)
    result = train_network(
        network,
        data,
        settings,
        augmentation=augmentation,
        seed=seed,
        folder=paths.train,
        resume=resume,
        accelerator=accelerator,
        progress=progress,
    )
    if accelerator.is_main_process:
        counts = count_architecture(architecture)
        write_record(paths.inputs, inputs)
        save_weights(network, paths.weights)
        record = TrainingRecord(
            test=TestMetrics.model_validate(result.test.to_dict(data.class_names)),
            num_params=counts.num_params,
            num_macs=counts.num_macs,
            seconds=result.seconds,
            teacher=result.teacher,
        )
        write_record(paths.train_result, record)
    accelerator.wait_for_everyone()
    return result


def check_training(settings: TrainSettings) -> None:
    """Refuse, before any work, a training whose teacher is not there.

    Raises:
        InvalidInputError, CheckpointError: naming the teacher.
    """
    check_teacher(settings)


def past_training(paths: RunPaths) -> tuple[TrainSettings, Augmentation | None]:
    """How a run's network was trained, and how its images varied.

    Raises:
        CheckpointError: if the training's checkpoint is missing or damaged.
    """
    path = require(paths.train / CHECKPOINT, "fbsearch train")
    try:
        identity = identity_of(path)
        fields = identity["augmentation"]
        augmentation = None if fields is None else Augmentation(**fields)
        return TrainSettings.model_validate(identity["settings"]), augmentation
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: no checkpoint of a training ({reason}); train again") from None
