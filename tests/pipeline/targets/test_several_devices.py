"""A run for several devices: one architecture that keeps a budget on each, as measured on each."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from fbsearch.cli import main
from fbsearch.costs import file_size_cost, latency_cost
from fbsearch.devices import LocalDevice
from fbsearch.export import Preprocessing, write_sidecar
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import designed
from fbsearch.pipeline import load_recipe
from fbsearch.pipeline.recipe import BudgetSettings, given_settings, on_device
from fbsearch.pipeline.stages.verifying import target_number
from fbsearch.pipeline.targets.tables import profiled_operators
from fbsearch.pipeline.targets.target import open_targets
from fbsearch.records import RunPaths
from fbsearch.spaces import load_space
from tests.spaces.wide import WideSpace

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
BENCH, TABLET = (f"{name} (tflite, 1 thread, fp32)" for name in ("bench", "tablet"))


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
    assert [target["name"] for target in result["targets"]] == [BENCH, TABLET] and not result["budgets"]
    assert [target["budget_us"] for target in result["targets"]] == pytest.approx(budgets_us)
    for finalist in result["finalists"]:
        assert [one["target"] for one in finalist["latencies"]] == [BENCH, TABLET]
        for latency, budget_us in zip(finalist["latencies"], budgets_us, strict=True):
            assert latency["predicted_us"] <= budget_us
            assert latency["measured_us"] == pytest.approx(1.01 * latency["predicted_us"])

    first, second = (json.loads((out / f"verification{x}.json").read_text()) for x in ("", "-2"))
    assert json.loads(printed.out) == [first, second]
    for check, name, budget_us in zip((first, second), (BENCH, TABLET), budgets_us, strict=True):
        assert check["target"] == name and check["budgets"] == []
        assert check["budget_ms"] == pytest.approx(budget_us / 1000) and check["keeps_budget"]
    stages = list(json.loads((out / "run.json").read_text())["stages"])
    assert stages == [
        *("profile", "profile 2", "calibrate", "calibrate 2"),
        *("search", "train", "export", "verify", "verify 2"),
    ]


def test_a_model_over_the_budget_of_any_device_makes_way(command, tmp_path, capsys, untrained):
    out = tmp_path / "run"
    untrained.shares[0, 2] = 1.05  # of the first model exported, on the second device
    assert main(command()) == 0
    told = capsys.readouterr().err
    assert f"over the budget on {TABLET} by 5.0%" in told and "model 2 of 3" in told
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
    assert f"none of 3 exported models keeps its budgets (model 1: over the budget on {TABLET}" in line
    assert f"model 2: over the budget on {BENCH} by 2.0%" in line


def test_an_interrupted_run_goes_on_with_the_next_device(command, tmp_path, capsys, monkeypatch, untrained):
    verified = []

    def verify(model, *, number, **kwargs):
        verified.append(number)
        if len(verified) == 2:
            raise KeyboardInterrupt
        return untrained(model, number=number, **kwargs)

    monkeypatch.setattr("fbsearch.pipeline.targets.checks.run_verification", verify)
    assert main(command()) == 130
    assert main(command("--resume")) == 0
    assert verified == [1, 2, 2]


def test_a_dry_run_tells_what_every_device_does(command, tmp_path, capsys):
    assert main(command("--dry-run", "--json")) == 0
    stages = {stage["name"]: stage for stage in json.loads(capsys.readouterr().out)}
    assert list(stages)[:4] == ["profile", "profile 2", "calibrate", "calibrate 2"]
    assert stages["verify 2"]["writes"] == [str(tmp_path / "run" / "verification-2.json")]
    assert (
        "budget 60% on local (tflite, 1 thread(s), fp32) and 60% on local (tflite, 2 thread(s), fp32)"
    ) in stages["search"]["action"]


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
    ],
)
def test_what_is_no_second_device_is_refused_before_anything_is_written(
    tmp_path, failing, options, settings, named
):
    assert named in failing(*run_command(tmp_path / "run", *options, settings=settings))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("budgets", "shares"),
    [("40,80%", [(0.4, 0.4), (0.8, 0.8)]), ("{least}ms,{greatest}ms", [(0.4, 0.9), (0.8, 0.9)])],
)
def test_a_sweep_is_of_every_device_or_of_the_first(
    table, tablet, tmp_path, capsys, untrained, budgets, shares
):
    ranges = [latency_cost(SPACE, LatencyTable.load(path)).range() for path in (table, tablet)]
    expected = [
        [least + share * (greatest - least) for share, (least, greatest) in zip(row, ranges, strict=True)]
        for row in shares
    ]
    given = budgets.format(least=expected[0][0] / 1000, greatest=expected[1][0] / 1000)
    other = f"{{device: {{name: local, threads: 2}}, budget_ms: 90%, profile: {{table: {tablet}}}}}"
    settings = [f"profile.table={table}", f"other_devices=[{other}]"]
    assert main(run_command(tmp_path / "run", "--budgets", given, "--json", settings=settings)) == 0
    verifications = json.loads(capsys.readouterr().out)
    out = tmp_path / "run"
    for (folder, checks), budgets_us in zip(verifications.items(), expected, strict=True):
        result = json.loads((out / folder / "search" / "result.json").read_text())
        assert [target["budget_us"] for target in result["targets"]] == pytest.approx(budgets_us)
        assert [check["target"] for check in checks] == [BENCH, TABLET]
        assert all(check["keeps_budget"] for check in checks)
        assert (out / folder / "table-2.json").exists()
    for number, name in enumerate(("pareto.json", "pareto-2.json")):
        pareto = json.loads((out / name).read_text())
        rows = pareto["architectures"]
        assert pareto["budgets_us"] == pytest.approx(sorted({round(row[number], 6) for row in expected}))
        measured_us = [1000 * checks[number]["measured_ms"] for checks in verifications.values()]
        assert sorted(row["measured_us"] for row in rows) == pytest.approx(sorted(measured_us))
    assert (out / "pareto-2.svg").exists()


def test_phones_are_kept_where_this_computer_is_among_the_devices(tmp_path):
    phone = tmp_path / "phone.yaml"
    phone.write_text("{name: phone, kind: adb, transport: tcp, address: '127.0.0.1:1'}")
    settings = [f"other_devices=[{{device: {{name: {phone}}}, budget_ms: 5}}]"]
    recipe = load_recipe("quickstart", settings)
    targets = open_targets(recipe, RunPaths(tmp_path), progress=False, notify=lambda line: None, keep=True)
    assert [getattr(target.device.definition, "keep", None) for target in targets] == [None, True]


def test_keeping_needs_a_phone(failing, tmp_path):
    other = ["other_devices=[{device: {name: local, threads: 2}, budget_ms: 5}]"]
    assert "--keep is for phones" in failing(*run_command(tmp_path / "run", "--keep", settings=other))
    assert not (tmp_path / "run").exists()


def test_the_largest_file_of_all_devices_counts(table, tablet, tmp_path):
    settings = BudgetSettings(file_size="300kB")
    kinds = [("tflite", "fp32"), ("onnx", "fp32"), ("onnx", "int8")]
    [limit] = settings.limits(SPACE, kinds)
    for model_format, precision in kinds:
        cost = file_size_cost(SPACE, model_format=model_format, precision=precision)
        rng = np.random.default_rng(0)
        for choices in (SPACE.sample(rng) for _ in range(20)):
            assert cost.of(choices) <= limit.cost.of(choices)
    assert limit.bound == 300_000 and limit.target is None


def test_a_model_that_is_verified_by_itself_is_of_the_device_that_its_table_is_of(table, tablet, tmp_path):
    paths = RunPaths(tmp_path / "run")
    LatencyTable.load(tablet).save(paths.table(1))
    local = LocalDevice()
    runtime = local.runner("onnxruntime", threads=1).description
    header = LatencyTable.load(table).header.model_copy(
        update={"device": local.describe(), "runtime": runtime}
    )
    LatencyTable(header, LatencyTable.load(table).entries).save(paths.table(2))
    model = paths.model("onnx")
    model.write_bytes(b"model")
    write_sidecar(model, Preprocessing(8, 1, (0.3,), (0.4,), "NCHW", ("a", "b")), architecture="tiny")
    settings = on_device(given_settings("local", None, 1), local.definition)
    assert target_number(paths, model, local, settings) == 2
    LatencyTable.load(tablet).save(paths.table(2))
    assert target_number(paths, model, local, settings) == 1


def test_of_an_open_space_what_its_calibration_takes_is_profiled():
    space = WideSpace("wide", resolution=8, depth=2, max_width=64, num_classes=3)
    recipe = load_recipe("quickstart", ["confirm.num_networks=12"])
    target = SimpleNamespace(recipe=recipe, settings=recipe.targets[0])
    profiled = set(profiled_operators(target, space))
    for code in designed(space, lambda operator: 1.0, 12, recipe.seed):
        assert set(space.decode(code).operators()) <= profiled
