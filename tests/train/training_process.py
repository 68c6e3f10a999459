"""A small training as a process of its own: to be killed, resumed, or shared by several processes."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from fbsearch.data import load_data
from fbsearch.files import write_json
from fbsearch.nn import Network, save_weights
from fbsearch.spaces import load_space
from fbsearch.train import TrainResult, TrainSettings, make_accelerator, train_network

EVERYTHING = TrainSettings(
    epochs=4,
    batch_size=32,
    learning_rate=0.05,
    warmup_epochs=1,
    ema_decay=0.9,
    mixup_alpha=0.2,
    random_erasing=0.3,
    drop_path=0.2,
    dropout=0.2,
    clip_norm=1.0,
)
PLAIN = TrainSettings(epochs=3, batch_size=32, learning_rate=0.02, warmup_epochs=0)


def train(
    folder: Path,
    *,
    resume: bool = False,
    settings: TrainSettings = EVERYTHING,
    with_norms: bool = True,
    eval_limit: int = 75,
) -> TrainResult:
    """Train on a few digits; leaves ``weights.safetensors`` and ``result.json`` in the folder."""
    data = load_data("digits", limit=200, eval_limit=eval_limit)
    torch.manual_seed(1)
    network = Network(load_space("digits").decode((1, 1, 1, 1)))
    if not with_norms:
        replace_norms(network)
    accelerator = make_accelerator(settings.precision)
    result = train_network(
        network,
        data,
        settings,
        folder=folder,
        augmentation=data.augmentation,
        seed=3,
        resume=resume,
        accelerator=accelerator,
        progress=False,
    )
    if accelerator.is_main_process:
        save_weights(network, folder / "weights.safetensors")
        write_json(
            folder / "result.json",
            {"rows": list(result.history), "test": result.test.to_dict(data.class_names)},
        )
    return result


def replace_norms(network: nn.Module) -> None:
    """Put scales in place of batch norms, whose statistics are those of a process' own images."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--without-norms", action="store_true")
    parser.add_argument("--eval-limit", type=int, default=75)
    arguments = parser.parse_args()
    train(
        arguments.folder,
        resume=arguments.resume,
        settings=PLAIN if arguments.plain else EVERYTHING,
        with_norms=not arguments.without_norms,
        eval_limit=arguments.eval_limit,
    )
