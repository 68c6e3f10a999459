"""Convolutions of one input, each with a pad of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from fbsearch.architecture import Architecture, Node, operators
from fbsearch.export import export_model
from fbsearch.export.tflite_pads import with_pads_of_their_own
from fbsearch.latency.measuring.networks import random_network
from fbsearch.nn import example_input
from tests.export.converted import operator_names, run_model

TWO = Architecture(
    "two",
    (
        Node("stem", operators.Conv(3, 8, 8, kernel=3), ("input",)),
        Node("one", operators.DilConv(8, 8, 8, kernel=3, stride=2), ("stem",)),
        Node("other", operators.DilConv(8, 8, 8, kernel=3, stride=2), ("stem",)),
        Node("third", operators.SepConv(8, 8, 8, kernel=3, stride=2), ("stem",)),
        Node("sum", operators.Add(8, 8, 4, num_inputs=3), ("one", "other", "third")),
        Node("head", operators.Classifier(8, 5, 4), ("sum",)),
    ),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pads") / "model.tflite"
    export_model(random_network(TWO), [TWO.input.dimensions], path)
    return path


def test_each_convolution_has_its_pad(model: Path) -> None:
    [graph] = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0).subgraphs
    taken = [index for operator in graph.operators for index in operator.inputs[:1]]
    assert operator_names(model).count("PAD") == 3
    assert all(
        taken.count(operator.outputs[0]) == 1
        for operator, name in zip(graph.operators, operator_names(model), strict=True)
        if name == "PAD"
    )


def test_the_model_stays_what_it_was(model: Path) -> None:
    images, network = example_input(TWO, batch=3), random_network(TWO)
    with torch.no_grad():
        torch.testing.assert_close(run_model(model, images), network(images), atol=1e-5, rtol=1e-5)


def test_weights_are_aligned_as_the_format_asks(model: Path) -> None:
    content = model.read_bytes()
    packed = schema.Model.GetRootAs(content, 0)
    buffers = [packed.Buffers(index) for index in range(packed.BuffersLength())]
    starts = [one._tab.Vector(one._tab.Offset(4)) for one in buffers if one.DataLength()]
    assert len(starts) > 5 and not any(start % 16 for start in starts)


def test_a_file_without_shared_pads_keeps_its_bytes(model: Path) -> None:
    content = model.read_bytes()
    assert with_pads_of_their_own(content) is content
