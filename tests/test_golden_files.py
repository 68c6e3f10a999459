"""Files that earlier versions wrote still load, and mean what they meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fbsearch.architecture import Architecture
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.calibration import Calibration
from fbsearch.nn import example_input, load_network
from fbsearch.spaces import load_space

GOLDEN = Path(__file__).parent / "golden"
FBNET_TABLE = Path(__file__).parents[1] / "latency_tables" / "local-tflite-fbnet-224px-t1-fp32.json"


def test_an_architecture_of_version_1_and_its_weights_compute_what_they_computed() -> None:
    network = load_network(GOLDEN / "digits-architecture-v1.json", GOLDEN / "digits-weights-v1.safetensors")
    expected = torch.tensor(json.loads((GOLDEN / "digits-logits-v1.json").read_text()))
    with torch.no_grad():
        logits = network(example_input(network.architecture, batch=2))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-6)


def test_a_calibrated_table_of_version_2_predicts_what_it_predicted() -> None:
    table, space = LatencyTable.load(GOLDEN / "digits-table-v2.json"), load_space("digits")
    assert table.space_fingerprint == space.fingerprint
    for row in json.loads((GOLDEN / "digits-table-v2.predictions.json").read_text()):
        architecture = space.decode(row["choices"])
        assert Architecture.from_dict(row["architecture"]) == architecture
        assert table.architecture_us(architecture) == pytest.approx(row["plain_us"])
        assert table.calibrated_us(architecture) == pytest.approx(row["calibrated_us"])


def test_a_calibration_of_fbnet_predicts_what_it_predicted() -> None:
    stored = json.loads((GOLDEN / "fbnet-calibration-v2.json").read_text())
    table, space = LatencyTable.load(FBNET_TABLE), load_space("fbnet")
    calibration = Calibration.from_dict(stored["calibration"], table.latency_us, source="golden")
    assert calibration.matches(space)
    calibrated = table.with_calibration(calibration)
    for row in stored["predictions"]:
        predicted = calibrated.calibrated_us(space.decode(row["choices"]))
        assert predicted == pytest.approx(row["calibrated_us"])
