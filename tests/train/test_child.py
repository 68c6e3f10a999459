"""Training a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from fbsearch.data import DataSplits, load_data
from fbsearch.errors import InvalidInputError, TrainingError
from fbsearch.nn import Network, load_network
from fbsearch.spaces import load_space
from fbsearch.train import TrainResult, TrainSettings, load_state, make_optimizer, train_network
from tests.train.training_process import train

SCRIPT = Path(__file__).with_name("training_process.py")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> DataSplits:
    return load_data("digits", limit=200, eval_limit=75)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Path:
    """The folder of a training that nothing interrupted; as all others here with one thread."""
    folder = tmp_path_factory.mktemp("straight")
    train(folder)
    return folder


def network(choices: Sequence[int] = (1, 1, 1, 1), **options: Any) -> Network:
    torch.manual_seed(0)
    return Network(load_space("digits", **options).decode(choices))


def fit(data: DataSplits, folder: Path, *, net: Network | None = None, **settings: Any) -> TrainResult:
    chosen = TrainSettings(**{"epochs": 1, "batch_size": 64, "warmup_epochs": 0, **settings})
    return train_network(
        net or network(), data, chosen, folder=folder, augmentation=data.augmentation, progress=False
    )


def start(folder: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=environment, cwd=root)


def check_same_end(folder: Path, straight: Path) -> None:
    for name in ("weights.safetensors", "metrics.jsonl", "result.json"):
        assert (folder / name).read_bytes() == (straight / name).read_bytes(), name


def test_killed_after_two_epochs_and_resumed_gives_the_same_weights(tmp_path: Path, straight: Path) -> None:
    process = start(tmp_path)
    deadline = time.monotonic() + 120
    while not (path := tmp_path / "metrics.jsonl").exists() or len(path.read_bytes().splitlines()) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(load_state(tmp_path / "checkpoint.safetensors")["rows"]) in (2, 3)
    train(tmp_path, resume=True)
    check_same_end(tmp_path, straight)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(5))
def test_killed_at_random_moments_and_resumed_gives_the_same_weights(
    tmp_path: Path, straight: Path, moment: int
) -> None:
    process = start(tmp_path)
    while not (tmp_path / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(float(np.random.default_rng(moment).random()))
    process.kill()
    process.wait()
    train(tmp_path, resume=True)
    check_same_end(tmp_path, straight)


def test_another_seed_gives_other_weights(digits: DataSplits, tmp_path: Path) -> None:
    weights = []
    for seed in (0, 1):
        net = network()
        train_network(
            net,
            digits,
            TrainSettings(epochs=1, batch_size=64),
            folder=tmp_path / str(seed),
            augmentation=None,
            seed=seed,
            progress=False,
        )
        weights.append(net.node("head/1").linear.weight)
    assert not torch.equal(*weights)


def test_result_and_rows(straight: Path) -> None:
    result = json.loads((straight / "result.json").read_text())
    assert [row["epoch"] for row in result["rows"]] == [0, 1, 2, 3]
    assert set(result["rows"][0]) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
    }
    assert result["test"]["num_samples"] == 75
    assert set(result["test"]["per_class"]) == set("0123456789")


def test_the_average_is_what_is_kept(straight: Path) -> None:
    state = load_state(straight / "checkpoint.safetensors")["task"]
    from safetensors.torch import load_file

    weights = load_file(straight / "weights.safetensors")
    for name, tensor in weights.items():
        assert torch.equal(tensor, state["average"]["network"][name])
    name = "head.1.linear.weight"
    assert not torch.equal(weights[name], state["network"][name])


def test_a_trained_network_is_a_plain_one(digits: DataSplits, tmp_path: Path) -> None:
    net = network()
    result = fit(digits, tmp_path, net=net, precision="bf16", drop_path=0.1)
    assert not net.training
    assert "forward" not in vars(net)
    assert net(torch.randn(2, 1, 16, 16)).dtype == torch.float32
    assert result.num_params == sum(parameter.numel() for parameter in net.parameters())
    assert result.seconds > 0


def test_learning_beats_chance(digits: DataSplits, tmp_path: Path) -> None:
    result = fit(digits, tmp_path, epochs=6, batch_size=20)
    assert result.test.top1 > 0.5
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]


@pytest.mark.slow
def test_the_quickstart_reaches_its_accuracy(tmp_path: Path) -> None:
    assert fit(load_data("digits"), tmp_path, epochs=15, warmup_epochs=2).test.top1 >= 0.97


@pytest.mark.slow
def test_compiled_training_follows_the_plain_one(digits: DataSplits, tmp_path: Path) -> None:
    small = (0, 5, 0, 5)
    plain = fit(digits, tmp_path / "plain", net=network(small))
    compiled = fit(digits, tmp_path / "compiled", net=network(small), compile=True)
    assert compiled.history[-1]["train_loss"] == pytest.approx(plain.history[-1]["train_loss"], rel=1e-3)


def test_memory_format_does_not_matter(digits: DataSplits, tmp_path: Path) -> None:
    last = fit(digits, tmp_path / "last")
    first = fit(digits, tmp_path / "first", channels_last=False)
    assert first.history[-1]["train_loss"] == pytest.approx(last.history[-1]["train_loss"], rel=1e-3)


def test_a_loss_that_is_not_finite_is_an_error(digits: DataSplits, tmp_path: Path) -> None:
    net = network()
    nn.init.constant_(net.node("head/1").linear.weight, float("nan"))
    with pytest.raises(TrainingError, match="the loss became nan in epoch 1: lower learning_rate"):
        fit(digits, tmp_path, net=net)


def test_weight_decay_leaves_out_norms_and_biases() -> None:
    net = network()
    decayed, others = make_optimizer(net, TrainSettings(weight_decay=0.5)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.5, 0.0)
    kinds = (nn.Conv2d, nn.Linear)
    expected = {id(module.weight) for module in net.modules() if isinstance(module, kinds)}
    assert {id(parameter) for parameter in decayed["params"]} == expected
    assert len(decayed["params"]) + len(others["params"]) == len(list(net.parameters()))


def test_adamw_trains(digits: DataSplits, tmp_path: Path) -> None:
    result = fit(digits, tmp_path, optimizer="adamw", learning_rate=3e-3, epochs=2)
    assert result.history[1]["train_loss"] < result.history[0]["train_loss"]


def test_data_that_do_not_fit_the_network(digits: DataSplits, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"is for 1 channels, 24 px and 10 classes, the data have 1, 16"
    ):
        fit(digits, tmp_path, net=network(resolution=24))


def test_fp16_needs_a_gpu(digits: DataSplits, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InvalidInputError, match="precision 'fp16' does not work on device 'cpu'"):
        fit(digits, tmp_path, precision="fp16")
    fit(digits, tmp_path)  # and does not stand in the way of what follows


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"learning_rate": 0.0}, {"drop_path": 1.0}, {"precision": "int8"}, {"lr": 0.1}]
)
def test_bad_settings(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainSettings(**setting)


def test_weights_load_into_a_network_of_the_architecture_alone(straight: Path, digits: DataSplits) -> None:
    net = network()
    net.architecture.save(straight / "architecture.json")
    loaded = load_network(straight / "architecture.json", straight / "weights.safetensors")
    accuracy = (loaded(torch.randn(4, 1, 16, 16)).argmax(1) >= 0).float().mean()
    assert accuracy == 1.0
