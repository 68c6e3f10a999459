"""Fine-tuning with fake quantisation: resumable, and blind to the test images."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fbsearch.data import DataSplits, load_data
from fbsearch.errors import CheckpointError
from fbsearch.nn import Network
from fbsearch.spaces import load_space
from fbsearch.train import FakeQuantisation, TrainSettings, finetune_network, finetuning_settings

SETTINGS = finetuning_settings(
    TrainSettings(batch_size=32, learning_rate=0.2, dropout=0.2, ema_decay=0.9, precision="bf16"),
    epochs=2,
    learning_rate_share=0.1,
)


@pytest.fixture(scope="module")
def digits() -> DataSplits:
    data = load_data("digits", resolution=8, limit=100, eval_limit=50)
    return replace(data, test=None)  # whoever looks at the test images fails


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(load_space("digits", resolution=8).decode((1, 1, 1, 1)))


def finetune(network: Network, data: DataSplits, folder: Path, **changes: Any) -> dict[str, Tensor]:
    """The weights that a copy of the network ends with."""
    tuned = copy.deepcopy(network)
    options = {"precision": "int8", "weight_levels": 127, "augmentation": data.augmentation, "seed": 0}
    calibration = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    finetune_network(
        tuned,
        data,
        SETTINGS,
        **{**options, **changes},
        calibration=calibration,
        folder=folder,
        progress=False,
    )
    assert not tuned.training
    return tuned.state_dict()


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return set(first) == set(second) and all(bool((first[name] == second[name]).all()) for name in first)


@pytest.fixture(scope="module")
def straight(network: Network, digits: DataSplits, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The weights after a fine-tuning that nothing interrupted, and its folder."""
    folder = tmp_path_factory.mktemp("straight")
    return finetune(network, digits, folder), folder


def test_weights_move_and_stay_a_networks(network: Network, straight: Any) -> None:
    weights, folder = straight
    assert not same(weights, network.state_dict())
    other = copy.deepcopy(network)
    other.load_state_dict(weights)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2


def test_killed_in_its_second_epoch_it_ends_the_same(
    network: Network, digits: DataSplits, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ranges, calls = FakeQuantisation.set_ranges, []

    def killed(self: FakeQuantisation, images: Tensor) -> None:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        set_ranges(self, images)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FakeQuantisation, "set_ranges", killed)
        finetune(network, digits, tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert same(finetune(network, digits, tmp_path), straight[0])


def test_a_checkpoint_of_anything_else_makes_way(
    network: Network, digits: DataSplits, straight: Any, tmp_path: Path
) -> None:
    other = finetune(network, digits, tmp_path, precision="dynamic_int8", weight_levels=64)
    assert not same(other, straight[0])
    assert same(finetune(network, digits, tmp_path), straight[0])


def test_a_damaged_checkpoint_is_one_line(network: Network, digits: DataSplits, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="delete it to start over"):
        finetune(network, digits, tmp_path)


def test_settings_are_the_trainings_at_a_low_rate() -> None:
    assert (SETTINGS.epochs, SETTINGS.batch_size, SETTINGS.dropout) == (2, 32, 0.2)
    assert SETTINGS.learning_rate == pytest.approx(0.02)
    assert (SETTINGS.precision, SETTINGS.ema_decay, SETTINGS.warmup_epochs) == ("fp32", 0.0, 0.0)
    assert SETTINGS.clip_norm == 1.0
    clipped = finetuning_settings(TrainSettings(clip_norm=5.0), epochs=1, learning_rate_share=1.0)
    assert clipped.clip_norm == 5.0
