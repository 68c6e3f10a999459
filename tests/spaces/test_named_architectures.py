"""FBNet-A, -B and -C against their published sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fbsearch.errors import ArchitectureError
from fbsearch.nn import Network, example_input
from fbsearch.spaces import (
    genotype_names,
    load_architecture,
    load_space,
    named_architecture,
    named_architectures,
)

# Published by the authors' release at 224 px: multiply-adds and parameters in millions, and our own
# counts, which must not move by accident. The release adds biases in its blocks and counts them.
PUBLISHED = {"fbnet_a": (244.5, 4.3), "fbnet_b": (291.1, 4.8), "fbnet_c": (378.2, 5.5)}


def count(name: str) -> tuple[int, int]:
    """Multiply-adds and parameters, counted on operators that really run, without memory for them."""
    architecture = named_architecture(name)
    with torch.device("meta"):
        network = Network(architecture).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(example_input(architecture).to("meta"))
    return counter.get_total_flops() // 2, sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_and_parameters_are_the_published_ones(name: str) -> None:
    num_macs, num_params = count(name)
    published_macs, published_params = PUBLISHED[name]
    assert num_macs / 1e6 == pytest.approx(published_macs, rel=0.005)
    assert num_params / 1e6 == pytest.approx(published_params, rel=0.02)


def test_names_are_listed_and_lie_in_the_space() -> None:
    assert named_architectures() == (*PUBLISHED, *genotype_names())
    for name in PUBLISHED:
        architecture = named_architecture(name)
        space = load_space("fbnet", head_channels=1504 if name == "fbnet_a" else 1984)
        assert space.decode(space.encode(architecture), name=name) == architecture


def test_other_sizes_on_request() -> None:
    small = named_architecture("fbnet_b", resolution=96, num_classes=10, width_multiplier=0.5)
    assert (small.resolution, small.num_classes) == (96, 10)
    assert small.group("layers")[-1].out_channels == 176


def test_loading_by_name_or_file(tmp_path: Path) -> None:
    architecture = named_architecture("fbnet_a")
    architecture.save(tmp_path / "a.json")
    assert load_architecture("fbnet_a") == load_architecture(str(tmp_path / "a.json")) == architecture
    for source in ("fbnet_z", str(tmp_path / "absent.json")):
        with pytest.raises(ArchitectureError, match="fbnet_a, fbnet_b, fbnet_c"):
            load_architecture(source)
    with pytest.raises(ArchitectureError, match="known are"):
        named_architecture("fbnet_z")
