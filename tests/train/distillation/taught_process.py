"""A small taught training as a process of its own: to be killed, and resumed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from fbsearch.data import DataSplits, load_data
from fbsearch.nn import Network, save_weights
from fbsearch.spaces import load_space
from fbsearch.train import DistillationSettings, TrainResult, TrainSettings, train_network

TEACHER = "tests.train.distillation.tiny_teacher:TinyTeacher"


def small_data() -> DataSplits:
    return load_data("digits", limit=120, eval_limit=40)


def train(
    folder: Path,
    *,
    resume: bool = False,
    data: DataSplits | None = None,
    varies: bool = True,
    **settings: Any,
) -> TrainResult:
    """Train on a few digits with the tiny teacher; leaves ``weights.safetensors`` in the folder.

    Args:
        folder: of the training.
        resume: go on.
        data: None: :func:`small_data`.
        varies: whether images do.
        settings: of the distillation; those whose names begin with ``train_``, of the training.
    """
    data = data or small_data()
    training = {
        name.removeprefix("train_"): settings.pop(name) for name in list(settings) if "train_" in name
    }
    distillation = DistillationSettings(**{"teacher": TEACHER, "feature_weight": 0.5, **settings})
    chosen = {"epochs": 4, "batch_size": 30, "learning_rate": 0.05, "warmup_epochs": 0, **training}
    torch.manual_seed(1)
    network = Network(load_space("digits").decode((1, 1, 1, 1)))
    result = train_network(
        network,
        data,
        TrainSettings(**chosen, distillation=distillation),
        folder=folder,
        augmentation=data.augmentation if varies else None,
        seed=3,
        resume=resume,
        progress=False,
    )
    save_weights(network, folder / "weights.safetensors")
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    train(parser.parse_args().folder, augmented_epochs=2)
