"""Quantisation-aware fine-tuning: a trained network goes on training as its int8 file computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from fbsearch.data import Augmentation, DataSplits
from fbsearch.nn import Network
from fbsearch.precision import Precision
from fbsearch.train.acceleration import make_accelerator
from fbsearch.train.checkpoint import identity_of
from fbsearch.train.child import ChildTask
from fbsearch.train.digest import digest_of
from fbsearch.train.fake_quantisation import FakeQuantisation
from fbsearch.train.loop import CHECKPOINT, Report, run_epochs
from fbsearch.train.settings import TrainSettings


def finetune_network(
    network: Network,
    data: DataSplits,
    settings: TrainSettings,
    *,
    precision: Precision,
    weight_levels: int,
    calibration: Tensor,
    folder: Path,
    augmentation: Augmentation | None,
    seed: int,
    progress: bool,
) -> None:
    """Fine-tune a trained network, which holds the float weights afterwards and is in evaluation mode.

    Loss, batches and regularisation are the training's. The ranges of activations are set anew before each
    epoch, as an export of the weights of that moment would set them. A call with the same arguments goes on
    where an earlier one was killed; the checkpoint of other arguments makes way.

    Args:
        network: at its trained weights.
        data: images of the network's size and classes; the test images are not looked at.
        settings: how to train; see :func:`finetuning_settings`.
        precision: ``int8`` or ``dynamic_int8``.
        weight_levels: of the file's format, see :class:`~fbsearch.train.fake_quantisation.FakeQuantisation`.
        calibration: ``N x C x H x W``, preprocessed: what the export takes the ranges from.
        folder: for the checkpoint, metrics and curves; see :func:`~fbsearch.train.loop.run_epochs`.
        augmentation: how training images vary; None: they do not.
        seed: of the order of the images and everything random.
        progress: show progress.

    Raises:
        TrainingError: if the loss becomes infinite or NaN.
        CheckpointError: if the folder holds a damaged checkpoint.
    """
    identity = {
        "settings": settings.identity,
        "weights": digest_of(*network.state_dict().values()),
        "data": data.fingerprint,
        "calibration": digest_of(calibration),
        "augmentation": asdict(augmentation) if augmentation else None,
        "precision": precision,
        "weight_levels": weight_levels,
        "seed": seed,
    }
    _make_way(folder / CHECKPOINT, identity)
    with FakeQuantisation(network, precision, weight_levels=weight_levels) as quantisation:
        task = _Finetuning(network, data, settings, augmentation, seed, quantisation, calibration)
        run_epochs(task, folder=folder, title="fine-tune", resume=True, identity=identity, progress=progress)
        task.finish()


def finetuning_settings(settings: TrainSettings, *, epochs: int, learning_rate_share: float) -> TrainSettings:
    """A training's settings for a few more epochs, from a low learning rate down to zero.

    Rounding is computed in fp32. An average of weights would lag behind in so few steps. The gradient is
    clipped even where the training did not: large channels, from which int8 suffers most, make it large. A
    teacher has said what it had to say.

    Args:
        settings: of the training.
        epochs: how many.
        learning_rate_share: of the training's highest learning rate.
    """
    return settings.model_copy(
        update={
            "epochs": epochs,
            "learning_rate": settings.learning_rate * learning_rate_share,
            "warmup_epochs": 0.0,
            "ema_decay": 0.0,
            "clip_norm": settings.clip_norm or 1.0,
            "precision": "fp32",
            "compile": False,
            "distillation": None,
        }
    )


class _Finetuning(ChildTask):
    """A training whose every epoch begins with the ranges of activations."""

    def __init__(
        self,
        network: Network,
        data: DataSplits,
        settings: TrainSettings,
        augmentation: Augmentation | None,
        seed: int,
        quantisation: FakeQuantisation,
        calibration: Tensor,
    ) -> None:
        accelerator = make_accelerator(settings.precision)
        super().__init__(
            network, data, settings, augmentation=augmentation, seed=seed, accelerator=accelerator
        )
        self._quantisation = quantisation
        self._calibration = calibration

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Set the ranges, train for one epoch, and validate with the rounding."""
        self._quantisation.set_ranges(self._calibration)
        return super().run_epoch(epoch, report)


def _make_way(checkpoint: Path, identity: Mapping[str, Any]) -> None:
    """Remove a checkpoint of anything else."""
    if checkpoint.exists() and identity_of(checkpoint) != json.loads(json.dumps(identity)):
        checkpoint.unlink()
