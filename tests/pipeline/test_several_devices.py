"""A run for several devices: one architecture that keeps a budget on each, as measured on each."""

from __future__ import annotations

import json

import pytest

from fbsearch.cli import main
from fbsearch.costs import latency_cost
from fbsearch.latency import LatencyTable
from fbsearch.spaces import load_space

SPACE = load_space("digits")
SMALL = (
    "data.limit=100",
    "search.batch_size=16",
    "search.epochs=1",
    "search.warmup_epochs=0",
    "search.calibration_batches=1",
    "search.num_finalists=2",
    "confirm.num_networks=0",
    "confirm.exports=3",
    "budget_ms=60%",
)
TABLET = "latency_us on tablet (tflite, 1 thread, fp32)"


def run_command(out, *options, settings=()):
    settings = [*SMALL, *settings]
    parts = ["run", "quickstart", "--out", out, "--quiet", *options]
    return [str(part) for part in (*parts, *(x for one in settings for x in ("--set", one)))]


@pytest.fixture
def command(table, tablet, tmp_path, untrained):
    """A run on two devices, the second being slow where the first is fast."""
    other = f"{{device: {{name: local, threads: 2}}, budget_ms: 60%, profile: {{table: {tablet}}}}}"
    settings = [f"profile.table={table}", f"other_devices=[{other}]"]
    return lambda *options: run_command(tmp_path / "run", *options, settings=settings)


def test_every_device_has_a_table_a_budget_and_a_verification(command, table, tablet, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(command("--json")) == 0
    printed = capsys.readouterr()
    budgets_us = []
    for path in (table, tablet):
        least, greatest = latency_cost(SPACE, LatencyTable.load(path)).range()
        budgets_us.append(least + 0.6 * (greatest - least))
    assert LatencyTable.load(out / "table-2.json").device.name == "tablet"

    result = json.loads((out / "search" / "result.json").read_text())
    assert result["budget_us"] == pytest.approx(budgets_us[0])
    [limit] = result["budgets"]
    assert limit["cost"] == TABLET and limit["bound"] == pytest.approx(budgets_us[1])
    for finalist in result["finalists"]:
        assert finalist["predicted_us"] <= budgets_us[0] and finalist["costs"][TABLET] <= budgets_us[1]
        assert finalist["measured_us"] == pytest.approx(1.01 * finalist["predicted_us"])
        assert finalist["measured_elsewhere_us"][TABLET] == pytest.approx(1.01 * finalist["costs"][TABLET])

    first, second = (json.loads((out / f"verification{x}.json").read_text()) for x in ("", "-2"))
    assert json.loads(printed.out) == first
    [check] = first["budgets"]
    assert check["cost"] == TABLET and check["source"] == "measured" and check["is_kept"]
    assert check["value"] == pytest.approx(1000 * second["measured_ms"])
    assert second["budget_ms"] == pytest.approx(budgets_us[1] / 1000) and second["keeps_budget"]
    stages = list(json.loads((out / "run.json").read_text())["stages"])
    assert stages == [
        *("profile", "profile 2", "calibrate", "calibrate 2"),
        *("search", "train", "export", "verify 2", "verify"),
    ]


def test_a_model_over_the_budget_of_any_device_makes_way(command, tmp_path, capsys, untrained):
    out = tmp_path / "run"
    untrained.shares[0, 2] = 1.05  # of the first model exported, on the second device
    assert main(command()) == 0
    told = capsys.readouterr().err
    assert "latency on tablet (tflite, 1 thread, fp32) is" in told and "model 2 of 3" in told
    aside = out / "attempts" / "1"
    assert not json.loads((aside / "verification-2.json").read_text())["keeps_budget"]
    assert json.loads((aside / "verification.json").read_text())["keeps_budget"]
    assert (aside / "architecture.json").read_bytes() != (out / "architecture.json").read_bytes()
    assert json.loads((out / "verification-2.json").read_text())["keeps_budget"]

    # What ended in time is not done again.
    assert main(command("--resume")) == 0
    assert "verify 2: done before" in capsys.readouterr().err


def test_a_device_that_no_model_keeps_up_with_ends_the_run(command, capsys, untrained):
    untrained.shares |= {(0, 2): 1.05, (1, 1): 1.02, (2, 2): 1.01}
    assert main(command()) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert "none of 3 exported models keeps its budgets (model 1: latency on tablet" in line
    assert "model 2: over the budget by 2.0%" in line


def test_an_interrupted_run_goes_on_with_the_next_device(command, tmp_path, capsys, monkeypatch, untrained):
    verified = []

    def verify(model, *, number, **kwargs):
        verified.append(number)
        if len(verified) == 2:
            raise KeyboardInterrupt
        return untrained(model, number=number, **kwargs)

    monkeypatch.setattr("fbsearch.pipeline.run_device.run_verification", verify)
    assert main(command()) == 130
    assert main(command("--resume")) == 0
    assert verified == [2, 1, 1]


def test_a_dry_run_tells_what_every_device_does(command, tmp_path, capsys):
    assert main(command("--dry-run", "--json")) == 0
    stages = {stage["name"]: stage for stage in json.loads(capsys.readouterr().out)}
    assert list(stages)[:4] == ["profile", "profile 2", "calibrate", "calibrate 2"]
    assert stages["verify 2"]["writes"] == [str(tmp_path / "run" / "verification-2.json")]
    assert "budget 60% and 60% on local (tflite, 2 thread(s), fp32)" in stages["search"]["action"]


def test_a_file_larger_than_estimated_makes_way_too(table, tmp_path, capsys, untrained):
    out = tmp_path / "run"
    settings = [f"profile.table={table}", "budgets.file_size=1MB"]
    untrained.sizes[0] = 1_040_000
    assert main(run_command(out, settings=settings)) == 0
    assert "file_bytes is 1,040,000 of 1,000,000" in capsys.readouterr().err
    results = [
        json.loads((folder / "search" / "result.json").read_text())
        for folder in (out / "attempts" / "1", out)
    ]
    excess = 1_040_000 - results[0]["finalists"][results[0]["chosen"]]["costs"]["file_bytes"]
    least = [result["budgets"][0]["range"][0] for result in results]
    assert least[1] == pytest.approx(least[0] + excess)
    for finalist in results[1]["finalists"]:
        assert finalist["costs"]["file_bytes"] <= 1_000_000


def test_files_that_cannot_be_small_enough_end_the_run(table, tmp_path, capsys, untrained):
    untrained.sizes[0] = 50_000_000
    settings = [f"profile.table={table}", "budgets.file_size=1MB"]
    assert main(run_command(tmp_path / "run", settings=settings)) == 2
    assert "a budget of 1e+06 on file_bytes is below the cheapest architecture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "settings", "named"),
    [
        (
            [],
            ["other_devices=[{device: {name: local}, budget_ms: 5}]"],
            "local (tflite, 1 thread(s), fp32) is",
        ),
        ([], ["other_devices=[{device: {name: nowhere}, budget_ms: 5}]"], "nowhere"),
        ([], ["other_devices=[{budget_ms: 5}]"], "other_devices.0.device"),
        (
            ["--budgets", "5,8ms"],
            ["other_devices=[{device: {name: local, threads: 2}, budget_ms: 5}]"],
            "--budgets sweeps one device's latency",
        ),
    ],
)
def test_what_is_no_second_device_is_refused_before_anything_is_written(
    tmp_path, failing, options, settings, named
):
    assert named in failing(*run_command(tmp_path / "run", *options, settings=settings))
    assert not (tmp_path / "run").exists()
