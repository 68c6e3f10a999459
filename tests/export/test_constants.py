"""What does not depend on the image is computed before the export, or left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fbsearch.architecture import Architecture
from fbsearch.export import export_model
from fbsearch.export.constants import computing_part
from fbsearch.latency.measuring.networks import random_network
from fbsearch.nn import example_input
from fbsearch.spaces import require_factored
from tests.export.converted import operator_names, run_model
from tests.spaces.cells import DARTS_OPS, SUMS_OPS, cell_space, sums_space

SUMS = sums_space()
CONCATS = require_factored(cell_space(nodes=2, ops=DARTS_OPS), "tests")
HALF = ("none", "conv_3x3", "conv_1x1", "skip", "conv_3x3", "skip")
"""Edges from node 1, which nothing comes into, give the bias of their norms."""


def with_ops(*ops: str) -> Architecture:
    return SUMS.decode([SUMS_OPS.index(op) for op in ops])


@pytest.mark.parametrize("space", [SUMS, CONCATS], ids=["sums", "concats"])
def test_the_computing_part_is_the_network(space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        network = random_network(space.decode(space.sample(rng)))
        images = example_input(network.architecture)
        with torch.no_grad():
            torch.testing.assert_close(computing_part(network)(images), network(images), atol=1e-5, rtol=1e-5)


def test_a_network_that_computes_all_over_stays_as_it_is() -> None:
    network = random_network(with_ops(*["conv_1x1"] * 6))
    assert computing_part(network) is network


def test_a_network_that_computes_nothing_stays_as_it_is() -> None:
    network = random_network(with_ops(*["none"] * 6))
    assert computing_part(network) is network


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_a_file_holds_no_more_than_computes(suffix: str, tmp_path: Path) -> None:
    network = random_network(with_ops(*HALF))
    model = tmp_path / f"model.{suffix}"
    export_model(network, [network.architecture.input.dimensions], model)
    counts = {name: operator_names(model).count(name) for name in ("CONV_2D", "Conv", "ADD", "Add")}
    of_stem, of_blocks, of_cells = 1, 2 * 3, 1 + 3  # the first cell's input is fitted
    assert counts["CONV_2D"] + counts["Conv"] == of_stem + of_blocks + of_cells
    assert counts["ADD"] + counts["Add"] <= 2 + 3 * 3, "a bias may be part of the convolution before it"
    images = example_input(network.architecture, batch=3)
    with torch.no_grad():
        torch.testing.assert_close(run_model(model, images), network(images), atol=1e-4, rtol=1e-4)
