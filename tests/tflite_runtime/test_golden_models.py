"""Models that were exported once run and profile wherever a TFLite interpreter is, torch or not.

Runs in the usual environment with ai-edge-litert, and from .ci/run in one of its own, which holds
tflite-runtime and numpy 1 in place of torch and ai-edge-litert.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from fbsearch.devices import MeasurementProtocol, find_device
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.conversion import converted_in
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.profiling import profile
from fbsearch.spaces import load_space

MODELS = Path(__file__).parent / "models"
QUICK = MeasurementProtocol(round_ms=0.5, max_rounds=8, initial_sentinel_readings=2, patience_s=0.5)


@pytest.mark.tflite_runtime
def test_this_environment_is_tflite_runtimes() -> None:
    assert importlib.util.find_spec("torch") is None
    assert importlib.util.find_spec("ai_edge_litert") is None
    assert version("numpy").startswith("1.")
    description = find_device("local").runner("tflite", threads=1).description
    assert (description.package, description.version) == ("tflite-runtime", version("tflite-runtime"))


def test_a_network_gives_torchs_outputs() -> None:
    golden = np.load(MODELS / "network.npz")
    session = find_device("local").runner("tflite", threads=1).open(MODELS / "network.tflite")
    outputs = session.run(golden["inputs"])
    session.close()
    np.testing.assert_allclose(outputs, golden["outputs"], atol=1e-4, rtol=0)


def test_a_space_is_profiled(tmp_path: Path) -> None:
    space = load_space(str(MODELS / "space.yaml"))
    out = tmp_path / "table.json"
    profile(
        space,
        find_device("local"),
        out=out,
        protocol=QUICK,
        models=ModelSource(operators=converted_in(MODELS, "tflite")),
        watch=Watch(progress=False),
    )
    table = LatencyTable.load(out)
    for operator in space.operators():
        assert (table.latency_us(operator) > 0) != operator.is_identity
    architecture = space.decode((0,) * len(space.decisions))
    total = sum(table.latency_us(operator) for operator in architecture.operators())
    assert table.architecture_us(architecture) == pytest.approx(total)
