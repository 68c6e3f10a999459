"""A sweep over latency budgets: one supernet, an architecture and a folder for each."""

from __future__ import annotations

import json

import pytest

from fbsearch.architecture import Architecture
from fbsearch.cli import main
from fbsearch.costs import latency_cost
from fbsearch.errors import BudgetError, InvalidInputError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline import Run
from fbsearch.pipeline.recipe import latency_budget_us
from fbsearch.pipeline.sweeps.budgets import parse_budgets
from fbsearch.reports.charts import find_dominated
from fbsearch.search.relaxed import DnasTask
from fbsearch.search.relaxed.supernet_search import middle
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_table

SPACE = load_space("digits")
QUICK = [
    "--set",
    "epochs=2",
    "--set",
    "batch_size=16",
    "--set",
    "num_finalists=3",
    "--limit",
    "200",
    "--quiet",
]


def arguments(table, out, *options):
    parts = ["search", "--space", "digits", "--data", "digits", "--table", table, "--out", out, *options]
    return [str(part) for part in (*parts, *QUICK)]


@pytest.mark.parametrize(
    ("text", "names", "range_us", "expected"),
    [
        ("5,8,12ms", ["budget-5ms", "budget-8ms", "budget-12ms"], (0.0, 1.0), [5000.0, 8000.0, 12000.0]),
        ("0.5ms, 0.25", ["budget-0.25ms", "budget-0.5ms"], (0.0, 1.0), [250.0, 500.0]),
        ("30,70%", ["budget-30percent", "budget-70percent"], (100.0, 200.0), [130.0, 170.0]),
    ],
)
def test_budgets_are_read_with_their_unit(text, names, range_us, expected):
    budgets = parse_budgets(text)
    assert [budget.name for budget in budgets] == names
    bounds = [latency_budget_us(budget.setting, lambda: range_us) for budget in budgets]
    assert bounds == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["5", "", "5,5", "5,5.0ms", "a,b", "5,-8", "0,5", "50,120%", "5ms,8s", "5,,8"]
)
def test_what_is_no_sweep_is_refused(text):
    with pytest.raises(InvalidInputError, match=r"--budgets.*such as 5,8,12ms"):
        parse_budgets(text)


def test_the_middle_is_as_far_from_both_ends():
    assert middle([12_000.0, 3000.0, 4000.0]) == pytest.approx(6000.0)


def test_one_supernet_gives_an_architecture_for_each_budget(table, tmp_path, capsys):
    out = tmp_path / "sweep"
    latency = latency_cost(SPACE, sample_table())
    command = arguments(table, out, "--budgets", "30,60,90%")
    assert main([*command, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    least, greatest = latency.range()
    for share, (name, result) in zip((0.3, 0.6, 0.9), results.items(), strict=True):
        budget_us = least + share * (greatest - least)
        [target] = result["targets"]
        assert target["budget_us"] == pytest.approx(budget_us)
        assert len(result["finalists"]) == 3
        for finalist in result["finalists"]:
            assert 0.9 * budget_us <= latency.of(finalist["choices"]) <= budget_us
        winner = tuple(result["finalists"][result["chosen"]]["choices"])
        assert SPACE.encode(Architecture.load(out / name / "architecture.json")) == winner
        assert json.loads((out / name / "search" / "result.json").read_text()) == result
        assert (out / name / "table.json").exists()
    pareto = json.loads((out / "pareto.json").read_text())
    rows = pareto["architectures"]
    assert len(rows) == 9 and [row["folder"] for row in rows if row["is_chosen"]] == list(results)
    dominated = find_dominated([row["predicted_us"] for row in rows], [row["accuracy"] for row in rows])
    assert tuple(row["is_dominated"] for row in rows) == dominated
    assert (out / "pareto.svg").read_text().count('"reference"') == 3

    # The supernet is not searched again: of the same middle, it serves other budgets too.
    checkpoint = (out / "search" / "checkpoint.safetensors").stat().st_mtime_ns
    assert main([*command, "--resume"]) == 0
    assert (out / "search" / "checkpoint.safetensors").stat().st_mtime_ns == checkpoint
    assert json.loads((out / "pareto.json").read_text()) == pareto
    assert "pareto.svg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            ["--budgets", "0.000001,5ms"],
            "a budget of 0.001 on latency_us on bench (tflite, 1 thread, fp32) is below the cheapest",
        ),
        (["--budgets", "5,8ms", "--budget-ms", "5"], "further one takes its own --budget-ms"),
        (["--budgets", "5,8ms", "--table", "{table}"], "2 --table and 0 --budget-ms beside --budgets"),
        (["--budgets", "30,60%", "--budget-ms", "5"], "take no --budget-ms"),
        (["--budgets", "30,60%", "--table", "{table}"], "are both of bench"),
        (["--budgets", "5"], "two or more"),
        (["--budgets", "30,60%", "--max-params", "10"], "num_params"),
        ([], "1 --table and 0 --budget-ms"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(table, tmp_path, capsys, options, named):
    options = [option.format(table=table) for option in options]
    assert main(arguments(table, tmp_path / "sweep", *options)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert named in line
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("budgets", "others", "shares"),
    [("40,80%", [], [(0.4, 0.4), (0.8, 0.8)]), ("{:.9g},{:.9g}ms", [0.9], [(0.4, 0.9), (0.8, 0.9)])],
)
def test_a_sweep_over_two_tables(table, tablet, tmp_path, capsys, budgets, others, shares):
    out = tmp_path / "sweep"
    ranges = [latency_cost(SPACE, LatencyTable.load(path)).range() for path in (table, tablet)]
    expected = [
        [least + share * (greatest - least) for share, (least, greatest) in zip(row, ranges, strict=True)]
        for row in shares
    ]
    options = ["--table", tablet, "--budgets", budgets.format(*(row[0] / 1000 for row in expected))]
    options += ["--budget-ms", expected[0][1] / 1000] if others else []
    assert main([*arguments(table, out, *options), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    for (name, result), budgets_us in zip(results.items(), expected, strict=True):
        assert [one["budget_us"] for one in result["targets"]] == pytest.approx(budgets_us)
        for finalist in result["finalists"]:
            for latency, budget_us in zip(finalist["latencies"], budgets_us, strict=True):
                assert latency["predicted_us"] <= budget_us * (1 + 1e-9)
        assert LatencyTable.load(out / name / "table-2.json").device.name == "tablet"
    fronts = [json.loads((out / name).read_text()) for name in ("pareto.json", "pareto-2.json")]
    for number, front in enumerate(fronts):
        assert len(front["architectures"]) == len(fronts[0]["architectures"])
        assert front["budgets_us"] == pytest.approx(sorted({row[number] for row in expected}))


SMALL = ("search.epochs=3", "search.num_finalists=2", "search.warmup_epochs=1", "confirm.num_networks=0")


def run_arguments(table, out, *options):
    settings = [f"profile.table={table}", "data.limit=200", "search.batch_size=16", *SMALL]
    parts = ["run", "quickstart", "--out", out, "--quiet", *options]
    return [str(part) for part in (*parts, *(x for one in settings for x in ("--set", one)))]


def test_a_run_over_several_budgets_searches_once(table, tmp_path, capsys, monkeypatch, untrained):
    out = tmp_path / "sweep"
    command = run_arguments(table, out, "--budgets", "40,80%")
    epochs = []
    run_epoch = DnasTask.run_epoch

    def counting(self, epoch, report):
        epochs.append(epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return run_epoch(self, epoch, report)

    monkeypatch.setattr(DnasTask, "run_epoch", counting)
    assert main(command) == 130
    assert main(command) == 2 and "--resume" in capsys.readouterr().err
    assert main([*command, "--resume", "--json"]) == 0
    assert epochs == [0, 1, 1, 2], "one supernet, which goes on where it stopped"
    verifications = json.loads(capsys.readouterr().out)
    assert list(verifications) == ["budget-40percent", "budget-80percent"]
    pareto = json.loads((out / "pareto.json").read_text())
    assert [row["folder"] for row in pareto["architectures"]] == list(verifications)
    for row, budget_us in zip(pareto["architectures"], pareto["budgets_us"], strict=True):
        assert row["measured_us"] == pytest.approx(1.01 * row["predicted_us"])
        assert row["measured_us"] <= budget_us and row["is_chosen"] and not row["is_dominated"]
        assert (out / row["folder"] / "recipe.yaml").exists()
    assert (out / "pareto.svg").exists()
    assert main([*command, "--resume"]) == 0 and len(epochs) == 4
    assert "verify: done before" in capsys.readouterr().err


def test_a_budget_that_is_not_kept_does_not_stop_the_others(table, tmp_path, capsys, monkeypatch, untrained):
    execute = Run.execute

    def failing(run, *, resume):
        verification = execute(run, resume=resume)
        if run.paths.root.name == "budget-40percent":
            raise BudgetError("too slow")
        return verification

    monkeypatch.setattr(Run, "execute", failing)
    out = tmp_path / "sweep"
    assert main(run_arguments(table, out, "--budgets", "40,80%")) == 2
    assert "budget-40percent: too slow" in capsys.readouterr().err
    assert len(json.loads((out / "pareto.json").read_text())["architectures"]) == 2


def test_a_budget_below_the_space_is_refused_before_the_search(table, tmp_path, capsys, untrained):
    out = tmp_path / "sweep"
    assert main(run_arguments(table, out, "--budgets", "0.00001,5ms")) == 2
    assert "below the cheapest" in capsys.readouterr().err
    assert not (out / "search").exists()


def test_a_dry_run_tells_the_stages_of_every_budget(table, tmp_path, capsys):
    command = run_arguments(table, tmp_path / "sweep", "--budgets", "5,8ms", "--dry-run", "--json")
    assert main(command) == 0
    stages = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in stages[:4]] == ["profile", "calibrate", "search 5ms", "train 5ms"]
    assert stages[-1]["writes"] == [str(tmp_path / "sweep" / "budget-8ms" / "report.html")]
    assert not (tmp_path / "sweep").exists()


def test_trials_within_the_loosest_budget_serve_all(table, tmp_path, capsys):
    out = tmp_path / "sweep"
    command = [
        "search", "--space", "digits", "--data", "digits", "--limit", 100, "--table", table, "--out", out,
        "--method", "random", "--set", "trials=8", "--set", "training.epochs=1", "--budgets", "40,80%",
        "--quiet",
    ]  # fmt: skip
    assert main([*map(str, command), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results) == ["budget-40percent", "budget-80percent"]
    for name, result in results.items():
        assert result["method"] == "random" and result["slots"] == []
        [target] = result["targets"]
        for finalist in result["finalists"]:
            assert finalist["latencies"][0]["predicted_us"] <= target["budget_us"]
        assert Architecture.load(out / name / "architecture.json")
        assert not (out / name / "search" / "inherited.safetensors").exists()
    tried = (out / "search" / "metrics.jsonl").read_text().splitlines()
    assert len(tried) == 8, "one search for both"
