"""Networks of published genotypes go the whole way to both formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fbsearch.architecture import Architecture
from fbsearch.export import agreement, export_model
from fbsearch.nn import Network, example_input
from fbsearch.spaces import StackChanges, choose_stack, load_genotype, stack_cells
from tests.export.converted import run_model

pytestmark = pytest.mark.slow


IMAGENET = StackChanges(cells=3, channels=8, resolution=71, stem="imagenet")


@pytest.mark.parametrize(
    ("name", "changes", "suffix"),
    [
        ("nasnet_a", IMAGENET, "tflite"),
        ("nasnet_a", IMAGENET, "onnx"),
        ("amoebanet_a", StackChanges(cells=5, channels=8, resolution=15), "tflite"),
        ("darts_v2", StackChanges(cells=5, channels=8, resolution=16), "onnx"),
        ("snas_aggressive", StackChanges(cells=5, channels=8, resolution=16), "tflite"),
    ],
)
def test_files_of_genotypes_agree(name: str, changes: StackChanges, suffix: str, tmp_path: Path) -> None:
    genotype = load_genotype(name)
    stack_cells(genotype, choose_stack(genotype, changes=changes)).save(tmp_path / "architecture.json")
    architecture = Architecture.load(tmp_path / "architecture.json")
    torch.manual_seed(0)
    network = Network(architecture)
    network(example_input(architecture, batch=8))  # norms with statistics of their own
    network.eval()
    path = tmp_path / f"model.{suffix}"
    export_model(network, [architecture.input.dimensions], path)
    images = example_input(architecture, batch=4)
    with torch.no_grad():
        expected = network(images).numpy()
    found = agreement(expected, run_model(path, images).numpy())
    assert found.top1_agreement == 1.0
    assert found.max_abs_diff < 1e-3 * max(1.0, float(np.abs(expected).max()))
