"""A whole small run on this computer, through the command line, interrupted and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.costs import latency_cost
from fbsearch.errors import CalibrationError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline import Run, load_recipe
from fbsearch.pipeline.stages.run_log import RunLog
from tests.latency.sample_table import sample_calibration, sample_table
from tools import simulated_phone

QUICK = {
    "confidence": 0.5, "min_rounds": 2, "max_rounds": 2, "round_ms": 5, "target_relative_ci": 0.9,
    "drift_tolerance": 9.0, "patience_s": 0, "cooldown_s": 0, "initial_sentinel_readings": 1,
}  # fmt: skip

SMALL = (
    "search.epochs=4",
    "search.warmup_epochs=1",
    "search.num_finalists=2",
    "train.epochs=6",
    "confirm.num_networks=4",
    "profile.protocol.max_repeatability=100",  # other tests run beside it: any calibration will do
    "profile.protocol.max_error_ratio=100",
    "verify.num_samples=100",
    "budget_ms=0.1",  # networks of microseconds keep it even while other tests run beside them
)


@pytest.fixture
def settings(tiny_space):
    return [f"space.source={tiny_space}", *SMALL]


def arguments(settings):
    return [part for setting in settings for part in ("--set", setting)]


@pytest.mark.ci
def test_a_run_from_nothing_to_a_verified_model(settings, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    command = ["run", "quickstart", "--out", str(out), "--quiet", *arguments(settings)]
    run_training = "fbsearch.pipeline.run.stages.run_training"
    with monkeypatch.context() as patch:
        patch.setattr(run_training, lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(command) == 130
    assert "--resume" in capsys.readouterr().err
    searched = (out / "search" / "result.json").read_bytes()
    assert main([*command, "--resume", "--json"]) == 0
    printed = capsys.readouterr()
    assert "search: done before" in printed.err
    assert (out / "search" / "result.json").read_bytes() == searched

    verification = json.loads(printed.out)
    assert verification == json.loads((out / "verification.json").read_text())
    assert verification["measured_ms"] <= verification["budget_ms"]
    assert verification["top1_agreement"] == 1.0 and verification["max_abs_diff"] < 1e-3
    assert verification["test_accuracy"] == verification["torch_test_accuracy"] > 0.7
    record = json.loads((out / "run.json").read_text())
    assert all(stage["error"] is None for stage in record["stages"].values())
    for name in ("model.tflite", "model.tflite.json", "model.onnx", "weights.safetensors", "report.html"):
        assert (out / name).stat().st_size > 0

    # Each stage again, alone, on the files of the run.
    onnx = ["verify", str(out / "model.onnx"), "--json", "--set", "num_samples=50", "--budget-ms", "100"]
    assert main(onnx) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["runtime"] == "onnxruntime" and "stays that of" in printed.err
    assert json.loads((out / "verification.model.onnx.json").read_text())["model"] == "model.onnx"
    assert json.loads((out / "verification.json").read_text()) == verification
    assert main(["verify", str(out / "model.tflite"), "--budget-ms", "0.0001", "--quiet"]) == 2
    assert "over its budget" in capsys.readouterr().err
    assert main(["describe", str(out), "--table", str(out / "table.json"), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["latency_ms"] == pytest.approx(sum(op["latency_ms"] for op in described["operators"]))

    # Had the model taken longer, the next best would have taken its place.
    first = (out / "architecture.json").read_bytes()
    verification |= {
        "measured_ms": 1.02 * verification["budget_ms"],
        "keeps_budget": False,
        "rounds_us": [[1020 * verification["budget_ms"]] * 3] * 8,
    }
    (out / "verification.json").write_text(json.dumps(verification))
    assert main([*command, "--resume"]) == 0
    assert (out / "attempts" / "1" / "architecture.json").read_bytes() == first
    assert (out / "architecture.json").read_bytes() != first
    again = json.loads((out / "verification.json").read_text())
    assert again["measured_ms"] <= again["budget_ms"] == verification["budget_ms"]
    assert "over its budget and made way" in (out / "report.html").read_text()


@pytest.mark.ci
def test_a_run_is_of_one_precision_throughout(settings, tmp_path, capsys):
    out = tmp_path / "run"
    int8 = ["device.precision=int8", "device.runtime=onnxruntime", "export.formats=[]"]
    int8 += ["export.finetune.epochs=1", "export.finetune.max_accuracy_drop=0.5"]
    command = ["run", "quickstart", "--out", str(out), "--quiet", *arguments([*settings, *int8])]
    assert main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    assert "export: model.int8.onnx: validation accuracy" in printed.err and "not fine-tuned" in printed.err
    verification = json.loads(printed.out)
    assert verification["precision"] == "int8" and verification["predicted_ms"] > 0
    assert verification["top1_agreement"] > 0.95
    table = json.loads((out / "table.json").read_text())
    assert table["runtime"]["precision"] == "int8" and table["calibration"]
    assert {path.name for path in out.glob("model.*")} == {"model.int8.onnx", "model.int8.onnx.json"}


@pytest.mark.ci
def test_a_run_for_two_runtimes_and_a_phone(settings, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # for the phone's key
    out, binary = tmp_path / "run", Path(simulated_phone.__file__).parent / "benchmark_model"
    definition = {"name": "sim", "kind": "adb", "transport": "tcp", "binary": str(binary), "protocol": QUICK}
    with simulated_phone.SimulatedPhone(tmp_path / "phone") as phone:
        phone_file = tmp_path / "sim.yaml"
        phone_file.write_text(json.dumps(definition | {"address": f"127.0.0.1:{phone.port}"}))
        others = [
            {
                "device": {"name": "local", "runtime": "onnxruntime"},
                "budget_ms": 100,
                "profile": {"protocol": QUICK},
            },
            {"device": {"name": str(phone_file)}, "budget_ms": 1000},
        ]
        quick = ["export.formats=[]", "budget_ms=100", f"profile.protocol={json.dumps(QUICK)}"]
        # The phone's tool counts whole microseconds: every operator must take some on any processor.
        larger = ["space.resolution=32", "space.head_channels=256"]
        settings = [*settings, *quick, *larger, f"other_devices={json.dumps(others)}"]
        assert main(["run", "quickstart", "--out", str(out), "--quiet", *arguments(settings)]) == 0
    capsys.readouterr()
    first, *checks = (json.loads((out / f"verification{x}.json").read_text()) for x in ("", "-2", "-3"))
    assert [check["model"] for check in checks] == ["model.onnx", "model.tflite"]
    assert [check["runtime"] for check in checks] == ["onnxruntime", "tflite"]
    assert checks[1]["device"] == "Google Pixel 7 Pro" and checks[1]["num_device_samples"] == 4
    for check in (first, *checks):
        assert check["keeps_budget"] and check["predicted_ms"] > 0 and check["max_abs_diff"] < 1e-3
    assert (out / "launches-3.jsonl").exists() and not (out / "launches.jsonl").exists()
    page = (out / "report.html").read_text()
    assert "Google Pixel 7 Pro" in page and "onnxruntime, 1 thread" in page


def test_a_dry_run_measures_and_writes_nothing(settings, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["run", "quickstart", "--out", str(out), "--dry-run", "--json", *arguments(settings)]
    assert main(command) == 0
    stages = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in stages] == [
        *("profile", "calibrate", "search", "train", "export", "verify", "report"),
    ]
    calibrate = stages[1]
    assert "4 whole networks" in calibrate["action"] and calibrate["seconds"] > 0
    assert not out.exists()


@pytest.mark.parametrize(
    ("num_networks", "action", "is_estimated"),
    [(0, "plain sums", False), (12, "the table comes with", False), (13, "13 whole networks", True)],
)
def test_a_dry_run_looks_whether_the_table_is_calibrated(tmp_path, num_networks, action, is_estimated):
    path = tmp_path / "table.json"
    settings = [f"profile.table={path}", f"confirm.num_networks={num_networks}"]
    run = Run(load_recipe("quickstart", settings), tmp_path / "run", progress=False, notify=lambda line: None)
    table = sample_table(run.context.space)
    table.with_calibration(sample_calibration(run.context.space, table, num_networks=12)).save(path)
    [stage] = [stage for stage in run.plan() if stage.name == "calibrate"]
    assert action in stage.action and (stage.seconds is not None) == is_estimated


def test_a_failed_stage_is_recorded_and_runs_again(settings, tmp_path, monkeypatch):
    from fbsearch.errors import MeasurementError

    run = Run(load_recipe("quickstart", settings), tmp_path / "run", progress=False, notify=lambda line: None)

    def fail() -> None:
        raise MeasurementError("the device is on fire")

    monkeypatch.setitem(run._stages, "profile", fail)
    with pytest.raises(MeasurementError):
        run.execute(resume=False)
    record = RunLog(run.paths, seed=0)
    assert not record.is_done("profile")
    assert "the device is on fire" in (run.paths.root / "report.html").read_text()


@pytest.mark.parametrize("is_calibrated", [False, True])
def test_a_poor_calibration_is_left_out_with_a_warning(tmp_path, monkeypatch, is_calibrated):
    def refuse(*args, **options):
        raise CalibrationError("whole networks repeat to 16.0% only")

    monkeypatch.setattr("fbsearch.pipeline.targets.tables.calibrate_table", refuse)
    told: list[str] = []
    recipe = load_recipe("quickstart", ["confirm.num_networks=12"])
    run = Run(recipe, tmp_path / "run", progress=False, notify=told.append)
    table = sample_table(run.context.space)
    if is_calibrated:
        table = table.with_calibration(sample_calibration(run.context.space, table, num_networks=6))
    table.save(run.paths.table())
    run._stages["calibrate"]()
    saved = LatencyTable.load(run.paths.table())
    assert saved.calibration == table.calibration and saved.entries == table.entries
    assert saved.warnings == (*table.warnings, "not calibrated: whole networks repeat to 16.0% only")
    assert told == ["warning: calibrate: the table stays as it was: whole networks repeat to 16.0% only"]
    assert latency_cost(run.context.space, saved).label.startswith("plain sums") is not is_calibrated
