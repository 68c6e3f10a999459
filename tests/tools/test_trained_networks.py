"""tools/bench/trained_networks.py: rows that a kill does not lose, whatever the number of processes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from fbsearch.pipeline.stages.proxy_evaluation.trained_networks import read_trained_networks
from fbsearch.spaces import load_space

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "bench" / "trained_networks.py"


def train(out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    arguments = [
        "--space",
        "digits",
        "--data",
        "digits",
        "--limit",
        60,
        "--epochs",
        1,
        "--out",
        out,
        *options,
    ]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def rows_of(out: Path) -> dict[str, list[str]]:
    """By code what does not depend on the clock."""
    with out.open() as file:
        return {
            row.pop("code"): [row[name] for name in row if name != "seconds"] for row in csv.DictReader(file)
        }


@pytest.mark.ci
def test_a_torn_row_is_trained_again_to_the_same_figures(tmp_path):
    out = tmp_path / "trained.csv"
    done = train(out, "--networks", 3, "--workers", 1)
    assert done.returncode == 0, done.stderr
    rows = rows_of(out)
    assert len(rows) == 3 and len(read_trained_networks(out, load_space("digits"))) == 3
    out.write_bytes(out.read_bytes()[:-20])
    assert train(out, "--networks", 3, "--workers", 2).returncode == 0
    assert rows_of(out) == rows
    other = train(out, "--networks", 3, "--training-seed", 1)
    assert other.returncode == 1 and "was begun with another training_seed" in other.stderr
    assert rows_of(out) == rows
