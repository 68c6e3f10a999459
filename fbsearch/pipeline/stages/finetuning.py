"""Fine-tuning at export: an integer model that loses too much is trained on, as its file computes.

All is judged on validation images: a choice by the test images would flatter the accuracy on them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fbsearch.data import DataSplits, ImageSet, Loader
from fbsearch.devices import FORMAT_RUNTIMES, LocalDevice
from fbsearch.errors import (
    ExportError,
    InvalidInputError,
    MeasurementError,
    TrainingError,
    UnreadableFileError,
)
from fbsearch.export import (
    WEIGHT_LEVELS,
    FineTuning,
    ModelFormat,
    Preprocessing,
    Sidecar,
    format_of,
)
from fbsearch.files import sha256_of
from fbsearch.nn import Network, load_network, save_weights
from fbsearch.pipeline.recipe import FinetuneSettings
from fbsearch.pipeline.stages.training import past_training
from fbsearch.precision import INTEGER_PRECISIONS, Precision
from fbsearch.records import RunPaths, require
from fbsearch.train import evaluate, finetune_network, finetuning_settings

_BATCH = 64


def check_finetuning(settings: FinetuneSettings, precision: Precision, *, num_processes: int = 1) -> None:
    """Refuse, before any work, a fine-tuning that cannot be.

    Raises:
        InvalidInputError: if the precision has no integers, or there are several processes.
    """
    if settings.epochs and precision not in INTEGER_PRECISIONS:
        raise InvalidInputError(
            f"{settings.epochs} epochs of fine-tuning for a model in {precision}: only "
            f"{' and '.join(INTEGER_PRECISIONS)} are fine-tuned; choose one of them, or 0 epochs"
        )
    if settings.epochs and num_processes > 1:
        raise InvalidInputError(
            f"fine-tuning runs in one process, not in {num_processes}: set export.finetune.epochs to 0, and "
            "afterwards use fbsearch export RUN --finetune-epochs …"
        )


@dataclass(frozen=True)
class Finetuner:
    """The fine-tuning of one model file.

    Args:
        settings: when and how.
        precision: of the file.
        calibration: ``N x C x H x W``: what sets the ranges of activations.
        preprocessing: of the model.
        data: of the training.
        paths: of the run, which knows how the network was trained.
        folder: for checkpoint, metrics and weights; see :func:`finetuning_folder`.
        seed: of the run.
        progress: show progress.
        notify: told in one line what happened.
    """

    settings: FinetuneSettings
    precision: Precision
    calibration: NDArray[np.float32]
    preprocessing: Preprocessing
    data: DataSplits
    paths: RunPaths
    folder: Path
    seed: int
    progress: bool
    notify: Callable[[str], None]

    def improve(
        self, exported: Path, network: Network, export: Callable[[Network, Path], None]
    ) -> FineTuning | None:
        """Fine-tune the network of a file that loses too much; replace the file if that makes it better.

        A fine-tuning that fails leaves the file as it is, with a warning: a long run must not end for want of
        a better model.

        Args:
            exported: the file, of the trained network.
            network: trained; it stays as it is.
            export: writes a network as such a file.

        Returns:
            What it came to; None if the file keeps the bound, or the fine-tuning failed.

        Raises:
            CheckpointError: if a checkpoint of the training, or an interrupted fine-tuning's, is damaged.
        """
        fp32_accuracy = evaluate(network, self._loader()).top1
        before = self._accuracy(exported)
        found = f"{exported.name}: validation accuracy {before:.2%}, {fp32_accuracy:.2%} in fp32"
        if fp32_accuracy - before <= self.settings.max_accuracy_drop:
            self.notify(f"{found}: not fine-tuned")
            return None
        tuned, candidate = copy.deepcopy(network), exported.with_name(f"finetuned{exported.suffix}")
        try:
            self._train(tuned, format_of(exported))
            export(tuned, candidate)
            after = self._accuracy(candidate)
        except (TrainingError, ExportError, MeasurementError) as error:
            self.notify(f"warning: {found}: left so, since the fine-tuning failed: {error}")
            return None
        is_kept, epochs = after > before, self.settings.epochs
        self.notify(f"{found}; fine-tuned (epochs: {epochs}) {after:.2%}{'' if is_kept else ', not kept'}")
        if is_kept:
            candidate.replace(exported)
        weights = self.folder / "weights.safetensors"
        save_weights(tuned, weights)
        return FineTuning(
            epochs=epochs,
            fp32_accuracy=fp32_accuracy,
            before=before,
            after=after,
            num_samples=len(self._images()),
            is_kept=is_kept,
            weights=f"{self.folder.name}/{weights.name}",
            weights_sha256=sha256_of(weights),
        )

    def _train(self, network: Network, model_format: ModelFormat) -> None:
        trained, augmentation = past_training(self.paths)
        settings = self.settings
        finetune_network(
            network,
            self.data,
            finetuning_settings(
                trained, epochs=settings.epochs, learning_rate_share=settings.learning_rate_share
            ),
            precision=self.precision,
            weight_levels=WEIGHT_LEVELS[model_format],
            calibration=torch.from_numpy(self.calibration),
            folder=self.folder,
            augmentation=augmentation,
            seed=self.seed,
            progress=self.progress,
        )
        network.cpu()

    def _accuracy(self, model: Path) -> float:
        """The share of the images that a model file, run on this computer, classifies correctly."""
        runner, num_correct = LocalDevice().runner(FORMAT_RUNTIMES[format_of(model)], threads=1), 0
        with runner.measuring(), closing(runner.open(model)) as session:
            for batch, labels in self._loader().epoch(0):
                inputs = batch.permute(0, 2, 3, 1) if self.preprocessing.layout == "NHWC" else batch
                outputs = session.run(np.ascontiguousarray(inputs.numpy()))
                num_correct += int((outputs.argmax(1) == labels.numpy()).sum())
        return num_correct / len(self._images())

    def _images(self) -> ImageSet:
        """The validation images to judge by: the first ones, in their random order."""
        images, count = self.data.val, self.settings.num_samples
        return images if count is None else images.subset(np.arange(min(count, len(images))))

    def _loader(self) -> Loader:
        return Loader(
            self._images(), batch_size=_BATCH, mean=self.preprocessing.mean, std=self.preprocessing.std
        )


def finetuning_folder(model: Path) -> Path:
    """Where the fine-tuning of a model file keeps its files.

    >>> finetuning_folder(Path("model.int8.tflite")).name
    'model.int8.tflite.finetune'
    """
    return model.with_name(f"{model.name}.finetune")


def network_of(model: Path, sidecar: Sidecar, paths: RunPaths) -> Network:
    """The network in fp32 that a model file was made from: the run's, or the fine-tuned one.

    Raises:
        CheckpointError: if the run's folder lacks a file.
        ExportError: if the fine-tuned weights are missing or others.
    """
    architecture = require(paths.architecture, "fbsearch search")
    if sidecar.finetuning is None or not sidecar.finetuning.is_kept:
        return load_network(architecture, require(paths.weights, "fbsearch train"))
    weights = model.parent / sidecar.finetuning.weights
    if not _has_sha256(weights, sidecar.finetuning.weights_sha256):
        raise ExportError(
            f"{weights}: not the fine-tuned weights of {model.name}, which must lie beside it: put them "
            "back, or export the model again"
        )
    return load_network(architecture, weights)


def _has_sha256(path: Path, wanted: str) -> bool:
    try:
        return sha256_of(path) == wanted
    except UnreadableFileError:
        return False
