"""Whole small runs in spaces of cells on this computer, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.latency import LatencyTable
from fbsearch.spaces import load_space
from tests.pipeline.run.test_run import SMALL, arguments

CELLS = """
name: small_cells
kind: cells
resolution: 8
in_channels: 1
num_classes: 10
stem: {channels: 8, kernel: 3}
channels: 8
stages: 2
cells_per_stage: 1
"""
SPACES = {
    "concats": "cell: {nodes: 2, ops: [none, skip, sep_conv_3x3, dil_conv_3x3, max_pool_3x3]}",
    "sums": """
cell: {inputs: 1, nodes: 3, ops: [none, skip, conv_1x1, conv_3x3, avg_pool_3x3], output: last}
reduction: block
""",
}


@pytest.mark.ci
@pytest.mark.parametrize("name", SPACES)
def test_a_cell_goes_from_profile_to_report(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space, out = tmp_path / "cells.yaml", tmp_path / "run"
    space.write_text(CELLS + SPACES[name])
    settings = [f"space.source={space}", *SMALL, "confirm.num_networks=6", "budget_ms=0.5"]
    assert main(["run", "quickstart", "--out", str(out), "--quiet", "--json", *arguments(settings)]) == 0
    verification = json.loads(capsys.readouterr().out)
    assert verification["measured_ms"] <= verification["budget_ms"]
    assert verification["max_abs_diff"] < 1e-4
    assert main(["verify", str(out / "model.onnx"), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["max_abs_diff"] < 1e-4

    architecture = Architecture.load(out / "architecture.json")
    assert load_space(str(space)).encode(architecture)
    assert architecture.sees_image
    assert LatencyTable.load(out / "table.json").calibrated_us(architecture) is not None
    page = (out / "report.html").read_text()
    num_kinds = 2 if name == "concats" else 1
    assert page.count('class="graph"') == num_kinds
    assert page.count("Reduction cell: ") == num_kinds - 1 and page.count("Normal cell: ") == 1
