"""Folders that fbsearch 0.1.0 wrote before records had a room of their own: all of it is still read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fbsearch.pipeline.choice.attempts import load_attempts
from fbsearch.pipeline.choice.judging import describe_excess, is_kept
from fbsearch.pipeline.recipe import read_recipe
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.pipeline.stages.verifying import load_verifications
from fbsearch.records import InputRecord, RunPaths, SearchRecord, read_metrics, read_record, write_record
from fbsearch.reports import read_run, write_figures, write_report

DATA = Path(__file__).parent / "data"
TFLITE, ONNX = "local (tflite, 1 thread, fp32)", "local (onnxruntime, 1 thread, fp32)"


@pytest.fixture(params=["one_device", "two_devices"])
def folder(request, tmp_path) -> Path:
    """A copy of a run of a device in int8, fine-tuned, or of two, whose first model made way."""
    return shutil.copytree(DATA / request.param, tmp_path / request.param)


def raw(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def test_every_file_is_read(folder):
    run = read_run(folder)
    assert run.record is not None and run.training is not None and run.search is not None
    assert len(run.search_metrics) == 3 and len(run.training_metrics) == 4
    assert run.architecture is not None and run.recipe is not None
    assert all(target.table is not None and target.verification is not None for target in run.targets)
    inputs = read_record(RunPaths(folder).inputs, InputRecord)
    assert inputs.model_dump(mode="json") == raw(folder, "inputs.json")
    assert read_recipe(RunPaths(folder).recipe).name == "quickstart"
    assert RunLog(RunPaths(folder), seed=0).stages == tuple(raw(folder, "run.json")["stages"])
    assert run.record.machine_text == "AMD EPYC, x86_64, 2 cores, Linux 6.1"


def test_the_page_and_its_figures_are_drawn(folder, tmp_path):
    text = write_report(folder).read_text("utf-8")
    assert "Within budget" in text and "is missing" not in text
    names = {path.name for path in write_figures(folder, tmp_path / "figures")}
    assert {"pareto.svg", "latencies.svg", "probabilities.svg", "predictions.svg"} <= names
    assert ("predictions-2.svg" in names) is (folder.name == "two_devices")


def test_what_was_searched_for_one_device():
    search, old = read_record(RunPaths(DATA / "one_device").search_result, SearchRecord), None
    old = raw(DATA / "one_device", "search/result.json")
    [target], [latency] = search.targets, search.winner.latencies
    assert (target.budget_us, list(target.range_us)) == (old["budget_us"], old["range_us"])
    assert [list(row) for row in target.latencies_us] == [slot["latencies_us"] for slot in old["slots"]]
    winner = old["finalists"][old["chosen"]]
    assert (latency.predicted_us, latency.measured_us) == (winner["predicted_us"], winner["measured_us"])
    assert [budget.cost for budget in search.budgets] == ["num_params", "peak_bytes"]
    assert search.winner.costs == winner["costs"]


def test_what_was_searched_for_two_devices():
    old = raw(DATA / "two_devices", "search/result.json")
    search = read_record(RunPaths(DATA / "two_devices").search_result, SearchRecord)
    cost = f"latency_us on {ONNX}"
    assert [target.name for target in search.targets] == ["", ONNX]
    assert search.targets[1].budget_us == old["budgets"][0]["bound"]
    for finalist, before in zip(search.finalists, old["finalists"], strict=True):
        own, other = finalist.latencies
        assert (own.predicted_us, own.measured_us) == (before["predicted_us"], before["measured_us"])
        assert other.predicted_us == before["costs"][cost]
        assert other.measured_us == before["measured_elsewhere_us"][cost]
        assert finalist.costs == {name: before["costs"][name] for name in ("num_macs", "file_bytes")}
    assert [budget.cost for budget in search.budgets] == ["num_macs", "file_bytes"]


def test_a_search_that_is_written_again_is_the_same(folder, tmp_path):
    search = read_record(RunPaths(folder).search_result, SearchRecord)
    write_record(tmp_path / "result.json", search)
    assert read_record(tmp_path / "result.json", SearchRecord) == search
    assert raw(tmp_path, "result.json")["version"] == 2


def test_verifications_keep_their_numbers(folder):
    verifications = load_verifications(RunPaths(folder))
    assert is_kept(verifications)
    for number, verification in verifications.items():
        old = raw(folder, RunPaths(folder).verification(number).name)
        new = json.loads(verification.model_dump_json())
        assert [check["cost"] for check in new.pop("budgets")] == [
            check["cost"] for check in old.pop("budgets") if not check["cost"].startswith("latency_us on ")
        ]
        assert {name: new[name] for name in old} == old
        assert verification.agrees


def test_the_device_that_a_model_was_too_slow_on_is_named():
    [attempt] = load_attempts(RunPaths(DATA / "two_devices"))
    assert list(attempt.verifications) == [1, 2]
    assert describe_excess(attempt.verifications) == (
        "over the budget on AMD EPYC (onnxruntime, 1 thread, fp32) by 2.0%"
    )
    run = read_run(DATA / "two_devices")
    assert [target.name for target in run.targets] == [TFLITE, ONNX] and len(run.put_aside) == 1


def test_metrics_of_a_fine_tuning_are_read():
    path = DATA / "one_device" / "model.int8.onnx.finetune" / "metrics.jsonl"
    [row] = read_metrics(path)
    assert row.epoch == 0 and row.values["train_loss"] > 0
