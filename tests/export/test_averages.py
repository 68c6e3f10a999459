"""Average pools that become convolutions in TFLite files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fbsearch.architecture import Operator
from fbsearch.export import export_model
from fbsearch.export.operators import random_module
from tests.export.converted import operator_names, run_model


@pytest.mark.parametrize("resolution", [7, 8])
def test_no_average_is_left_to_a_slow_kernel(resolution: int, tmp_path: Path) -> None:
    operator = Operator.from_key(f"avgpool_k3_s2_c4-4_r{resolution}")
    module, model = random_module(operator), tmp_path / "model.tflite"
    export_model(module, [shape.dimensions for shape in operator.inputs], model)
    assert not any("STABLEHLO" in name or name == "DIV" for name in operator_names(model))
    images = torch.randn(2, 4, resolution, resolution)
    with torch.no_grad():
        torch.testing.assert_close(run_model(model, images), module(images), atol=1e-5, rtol=1e-5)
