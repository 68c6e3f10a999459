from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import ExportedProgram

from fbsearch.architecture import Architecture, Node, operators
from fbsearch.export import export_model, tflite
from fbsearch.latency.measuring.networks import random_network

MOBILE = Architecture.chain(
    "mobile",
    {
        "stem": [operators.Conv(3, 8, 17, kernel=3, stride=2, activation="hswish")],
        "layers": [
            operators.MBConv(
                8, 12, 9, kernel=5, expansion=3, stride=2, activation="swish", squeeze_excite=0.25
            ),
            operators.MBConv(12, 12, 5, kernel=3, expansion=2, groups=2, activation="swish"),
        ],
        "head": [operators.Classifier(12, 5, 5)],
    },
)
CELL = Architecture(
    "cell",
    (
        Node("stem", operators.Conv(3, 8, 8, kernel=3), ("input",)),
        Node("sep", operators.SepConv(8, 8, 8, kernel=3), ("stem",)),
        Node("dil", operators.DilConv(8, 8, 8, kernel=3), ("stem",)),
        Node("max", operators.MaxPool(8, 8, 8, kernel=3), ("sep",)),
        Node("mean", operators.AvgPool(8, 8, 8, kernel=3), ("dil",)),
        Node("sum", operators.Add(8, 8, 8, num_inputs=3), ("stem", "max", "mean")),
        Node("both", operators.Concat(8, 16, 8, num_inputs=2), ("sum", "max")),
        Node("reduce", operators.FactorisedReduce(16, 12, 8), ("both",)),
        Node("head", operators.Classifier(12, 5, 4), ("reduce",)),
    ),
)


@contextmanager
def as_torch_does(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    @contextmanager
    def unchanged() -> Iterator[None]:
        yield

    with monkeypatch.context() as patch:
        patch.setattr(tflite, "fast_decomposition", unchanged)
        yield


@pytest.mark.parametrize("architecture", [MOBILE, CELL], ids=lambda one: one.name)
def test_files_are_the_same_to_the_byte(
    architecture: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, shapes = random_network(architecture), [architecture.input.dimensions]
    export_model(network, shapes, tmp_path / "by_node.tflite")
    with as_torch_does(monkeypatch):
        export_model(network, shapes, tmp_path / "whole.tflite")
    assert (tmp_path / "by_node.tflite").read_bytes() == (tmp_path / "whole.tflite").read_bytes()


def test_the_whole_is_traced_only_until_it_is_functional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    torchs_own = ExportedProgram.run_decompositions

    def counted(program: ExportedProgram, *args: Any, **options: Any) -> ExportedProgram:
        calls.append(program)
        return torchs_own(program, *args, **options)

    monkeypatch.setattr(torch.export.ExportedProgram, "run_decompositions", counted)
    export_model(random_network(CELL), [CELL.input.dimensions], tmp_path / "model.tflite")
    assert len(calls) == 1
