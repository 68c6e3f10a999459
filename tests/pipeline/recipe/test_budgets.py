"""Several budgets from the command line to the verification."""

from __future__ import annotations

import json

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.costs import count_architecture, file_size_cost, latency_cost, parameter_cost
from fbsearch.errors import CheckpointError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.recipe import BudgetSettings, check_budgets, describe_broken
from fbsearch.records import RunPaths, SearchRecord, read_record
from fbsearch.spaces import load_space

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


def search(table, out, *options, budget_ms=10):
    arguments = ["search", "--space", "digits", "--data", "digits", "--limit", 200, "--table", table]
    return [str(part) for part in (*arguments, "--budget-ms", budget_ms, "--out", out, *options, *QUICK)]


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
    checks = check_budgets(read_record(RunPaths(out).search_result, SearchRecord), architecture, model)
    assert {check.cost: check.is_kept for check in checks} == {
        "num_params": True, "num_macs": True, "peak_bytes": True, "file_bytes": False,
    }  # fmt: skip
    assert describe_broken(checks) == "file_bytes is 1,000,001 of 1,000,000"
    assert check_budgets(None, architecture, model) == ()
    (out / "search" / "result.json").write_text("{")
    with pytest.raises(CheckpointError, match="run 'fbsearch search' again"):
        read_record(RunPaths(out).search_result, SearchRecord)


def test_every_device_has_its_own_budget(table, tablet, tmp_path, capsys):
    out = tmp_path / "run"
    costs = [latency_cost(SPACE, LatencyTable.load(path)) for path in (table, tablet)]
    middles = [sum(cost.range()) / 2000 for cost in costs]
    given = ["--table", tablet, "--budget-ms", middles[1]]
    assert main([*search(table, out, *given, budget_ms=middles[0]), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    names = [f"{device} (tflite, 1 thread, fp32)" for device in ("bench", "tablet")]
    assert [target["name"] for target in result["targets"]] == names and result["budgets"] == []
    for finalist in result["finalists"]:
        for cost, middle, latency in zip(costs, middles, finalist["latencies"], strict=True):
            assert cost.of(finalist["choices"]) == pytest.approx(latency["predicted_us"])
            assert latency["predicted_us"] <= 1000 * middle and latency["measured_us"] is None
    assert LatencyTable.load(out / "table-2.json").device.name == "tablet"


def test_devices_that_leave_nothing_to_each_other_are_refused(table, tablet, tmp_path, capsys):
    least = [latency_cost(SPACE, LatencyTable.load(path)).range()[0] / 1000 for path in (table, tablet)]
    given = ["--table", tablet, "--budget-ms", 1.001 * least[1]]
    assert main(search(table, tmp_path / "run", *given, budget_ms=1.001 * least[0])) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert (
        "within the others, latency_us on bench (tflite, 1 thread, fp32) is at least" in line
        and "on tablet" in line
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--table", "{table}"], "2 --table and 1 --budget-ms"),
        (["--table", "{table}", "--budget-ms", "5"], "are both of bench (tflite, 1 thread, fp32)"),
        (["--table", "{tablet}", "--budget-ms", "0"], "positive number of milliseconds, not 0"),
    ],
)
def test_tables_and_budgets_come_in_pairs(table, tablet, tmp_path, capsys, options, named):
    options = [option.format(table=table, tablet=tablet) for option in options]
    assert main(search(table, tmp_path / "run", *options)) == 2
    assert named in capsys.readouterr().err


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
    [limit] = settings.limits(SPACE, [("onnx", "fp32")])
    expected = file_size_cost(SPACE, model_format="onnx", precision="fp32")
    assert limit.bound == 300_000 and limit.cost.range() == expected.range()
