"""Several budgets from the command line to the verification."""

from __future__ import annotations

import json

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.costs import count_architecture, file_size_cost, parameter_cost
from fbsearch.errors import CheckpointError
from fbsearch.pipeline.budgets import BudgetSettings, check_budgets, describe_broken
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table

SPACE = load_space("digits")
QUICK = [
    "--set",
    "epochs=2",
    "--set",
    "batch_size=16",
    "--set",
    "warmup_epochs=1",
    "--set",
    "num_finalists=2",
    "--quiet",
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.json"
    sample_table().save(path)
    return path


def search(table, out, *options):
    arguments = ["search", "--space", "digits", "--data", "digits", "--limit", 200, "--table", table]
    return [str(part) for part in (*arguments, "--budget-ms", 10, "--out", out, *options, *QUICK)]


def test_every_finalist_keeps_all_budgets(table, tmp_path, capsys):
    out = tmp_path / "run"
    least, greatest = parameter_cost(SPACE).range()
    params = round(least + 0.2 * (greatest - least))
    given = ["--max-params", params, "--max-macs", "1G", "--max-peak-memory", "1MB", "--max-file-size", "1MB"]
    assert main([*search(table, out, *given), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    bounds = {budget["cost"]: budget["bound"] for budget in result["budgets"]}
    assert bounds == {"num_params": params, "num_macs": 1e9, "peak_bytes": 1e6, "file_bytes": 1e6}
    for finalist in result["finalists"]:
        counts = count_architecture(SPACE.decode(tuple(finalist["choices"])))
        assert finalist["costs"]["num_params"] == counts.num_params <= params
        assert finalist["costs"]["peak_bytes"] == counts.peak_bytes

    model = tmp_path / "model.tflite"
    model.write_bytes(b"0" * 1_000_001)
    architecture = Architecture.load(out / "architecture.json")
    checks = check_budgets(out / "search" / "result.json", architecture, model)
    assert {check.cost: check.is_kept for check in checks} == {
        "num_params": True, "num_macs": True, "peak_bytes": True, "file_bytes": False,
    }  # fmt: skip
    assert describe_broken(checks) == "file_bytes is 1,000,001 of 1,000,000"
    assert check_budgets(out / "none.json", architecture, model) == ()
    (out / "search" / "result.json").write_text("{")
    with pytest.raises(CheckpointError, match="search again"):
        check_budgets(out / "search" / "result.json", architecture, model)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--max-params", "100"], "num_params is below the cheapest architecture"),
        (["--max-file-size", "1kB"], "file_bytes is below"),
        (["--max-peak-memory", "10"], "peak_bytes is below"),
        (["--max-macs", "many"], "'many' is no quantity such as 300k, 1.2M or 1G"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(table, tmp_path, capsys, options, named):
    assert main(search(table, tmp_path / "run", *options)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert named in line
    assert not (tmp_path / "run").exists()


def test_the_size_of_a_file_is_that_of_its_format_and_precision():
    settings = BudgetSettings(file_size="300kB")
    [limit] = settings.limits(SPACE, model_format="onnx", precision="fp32")
    expected = file_size_cost(SPACE, model_format="onnx", precision="fp32")
    assert limit.bound == 300_000 and limit.cost.range() == expected.range()
