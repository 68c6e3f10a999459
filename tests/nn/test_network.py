"""Architectures as networks, and their weights as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fbsearch.architecture import Architecture
from fbsearch.errors import ArchitectureError, CheckpointError
from fbsearch.nn import Network, example_input, load_network, load_weights, save_weights
from fbsearch.nn.blocks import MBConv
from fbsearch.spaces import load_space


@pytest.fixture
def architecture() -> Architecture:
    return load_space("digits").decode((2, 5, 3, 4))


@pytest.fixture
def network(architecture: Architecture) -> Network:
    torch.manual_seed(0)
    network = Network(architecture)
    network(torch.randn(8, 1, 16, 16))  # so that the norms' statistics are not those of a new network
    return network.eval()


@pytest.mark.parametrize("name", ["digits", "cifar"])
def test_random_architectures_give_logits(name: str) -> None:
    space, rng = load_space(name), np.random.default_rng(0)
    for _ in range(3):
        architecture = space.decode(space.sample(rng))
        x = example_input(architecture, batch=2)
        assert x.shape == (2, *space.input.dimensions)
        assert Network(architecture).eval()(x).shape == (2, space.num_classes)


def test_the_example_is_always_the_same(architecture: Architecture) -> None:
    assert torch.equal(example_input(architecture), example_input(architecture))


def test_initial_weights_have_the_stated_scale(architecture: Architecture) -> None:
    torch.manual_seed(0)
    network = Network(architecture)
    convolution = network.node("head/0").conv
    assert convolution.weight.std().item() == pytest.approx((2 / convolution.out_channels) ** 0.5, rel=0.05)
    linear = network.node("head/1").linear
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.1)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all((m.weight == 1).all() and (m.bias == 0).all() for m in norms)


def test_drop_path_grows_with_depth_and_dropout_sits_before_the_classifier(
    architecture: Architecture,
) -> None:
    network = Network(architecture, drop_path=0.3, dropout=0.25)
    rates = [layer.drop_path_rate for layer in network.modules() if isinstance(layer, MBConv)]
    assert rates == pytest.approx([0.1, 0.2, 0.3])
    assert network.node("head/1").dropout.p == 0.25
    network.set_drop_path(0.0)
    assert not any(layer.drop_path_rate for layer in network.modules() if isinstance(layer, MBConv))


def test_weights_come_back_as_they_were(network: Network, architecture: Architecture, tmp_path: Path) -> None:
    save_weights(network.to(memory_format=torch.channels_last), tmp_path / "w.safetensors")
    architecture.save(tmp_path / "a.json")
    loaded = load_network(tmp_path / "a.json", tmp_path / "w.safetensors")
    assert not loaded.training
    assert loaded.architecture == architecture
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    x = example_input(architecture, batch=3)
    torch.testing.assert_close(loaded(x), network(x))


def test_weights_of_another_network_are_refused(network: Network, tmp_path: Path) -> None:
    save_weights(network, tmp_path / "w.safetensors")
    space = load_space("digits")
    for other in (space.decode((0, 0, 0, 0)), load_space("digits", num_classes=3).decode((2, 5, 3, 4))):
        with pytest.raises(CheckpointError, match="do not fit the architecture") as caught:
            load_weights(Network(other), tmp_path / "w.safetensors")
        assert "\n" not in str(caught.value)


def test_damaged_weights_are_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(network, path)
    whole = path.read_bytes()
    damaged = [
        b"",
        b"\x00" * 64,
        b"\xff" * 64,
        whole[:5],
        whole[: len(whole) // 2],
        whole + b"more",
        b"{" + whole[1:],
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"w\.safetensors") as caught:
            load_weights(network, path)
        assert "\n" not in str(caught.value)


def test_missing_files_are_named(network: Network, architecture: Architecture, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent"):
        load_weights(network, tmp_path / "absent.safetensors")
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_weights(network, tmp_path)
    with pytest.raises(ArchitectureError, match="absent"):
        load_network(tmp_path / "absent.json", tmp_path / "absent.safetensors")


def test_a_failed_write_keeps_the_old_weights(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(network, path)
    before = path.read_bytes()
    odd = nn.Module()
    odd.a = nn.Parameter(torch.zeros(2))
    odd.b = nn.Parameter(torch.zeros(2, dtype=torch.complex128))  # a type that the format does not know
    with pytest.raises(KeyError):
        save_weights(odd, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
