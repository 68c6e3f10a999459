"""Models over the budget are put aside, whenever that is interrupted."""

from __future__ import annotations

import shutil

import pytest

from fbsearch.architecture import Architecture
from fbsearch.devices import MeasurementProtocol
from fbsearch.errors import BudgetError
from fbsearch.files import write_json
from fbsearch.pipeline import Run, load_recipe
from fbsearch.pipeline.choice.attempts import finish_putting_aside, load_attempts, put_aside
from fbsearch.pipeline.run.context import RunContext
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.records import RunPaths, Verification, read_record, write_record
from fbsearch.spaces import load_space

SPACE = load_space("digits")
STAGES = ("search", "train", "export", "verify")


def verification(measured_ms: float, *, budget_ms: float = 1.0, is_steady: bool = True) -> Verification:
    return Verification(
        model="model.tflite",
        device="processor",
        runtime="tflite",
        runtime_version="2",
        threads=1,
        precision="fp32",
        budget_ms=budget_ms,
        predicted_ms=0.9,
        measured_ms=measured_ms,
        measured_p95_ms=measured_ms,
        keeps_budget=measured_ms <= budget_ms,
        is_converged=True,
        is_steady=is_steady,
        test_accuracy=0.9,
        fp32_test_accuracy=0.9,
        top1_agreement=1.0,
        max_abs_diff=0.0,
        num_samples=10,
        num_device_samples=10,
        device_max_abs_diff=0.0,
        file_size_bytes=1,
        rounds_us=((1000 * measured_ms,) * 3,) * 8,
    )


def make_model(paths: RunPaths, choices: tuple[int, ...], measured_ms: float) -> None:
    """What the stages of a run leave behind."""
    paths.train.mkdir(parents=True)
    paths.search.mkdir(exist_ok=True)
    SPACE.decode(choices).save(paths.architecture)
    for path in (paths.weights, paths.model("tflite"), paths.train / "checkpoint.safetensors"):
        path.write_bytes(b"x")
    write_json(paths.search_result, {})
    (paths.search / "checkpoint.safetensors").write_bytes(b"the supernet stays")
    write_record(paths.verification(), verification(measured_ms))


@pytest.fixture
def paths(tmp_path):
    paths = RunPaths(tmp_path / "run")
    make_model(paths, (0, 1, 2, 3), 1.1)
    return paths


@pytest.fixture
def record(paths):
    record = RunLog(paths, seed=0)
    for name in ("profile", *STAGES):
        with record.stage(name):
            pass
    return record


def check_put_aside(paths: RunPaths) -> None:
    [attempt] = load_attempts(paths)
    assert attempt.architecture == SPACE.decode((0, 1, 2, 3))
    assert attempt.measurement(MeasurementProtocol(), 1).latency_us == pytest.approx(1100.0)
    assert (attempt.folder / "train" / "checkpoint.safetensors").exists()
    files = [path for path in paths.root.rglob("*") if path.is_file()]
    left = {path.name for path in files if paths.attempts not in path.parents}
    assert left == {"run.json", "checkpoint.safetensors"}
    again = RunLog(paths, seed=0)
    assert again.is_done("profile") and not any(map(again.is_done, STAGES))


def test_all_but_the_supernet_is_put_aside(paths, record):
    put_aside(paths, record, writes=True)
    check_put_aside(paths)
    make_model_again(paths)
    put_aside(paths, RunLog(paths, seed=0), writes=True)
    assert [attempt.folder.name for attempt in load_attempts(paths)] == ["1", "2"]


def make_model_again(paths: RunPaths) -> None:
    make_model(paths, (3, 2, 1, 0), 1.05)


@pytest.mark.parametrize("num_moves", range(6))
def test_an_interrupted_move_is_finished(paths, record, monkeypatch, num_moves):
    moves = iter(range(num_moves))

    def move(path, to):
        if next(moves, None) is None:
            raise KeyboardInterrupt
        return shutil_move(path, to)

    shutil_move = shutil.move
    with monkeypatch.context() as patch:
        patch.setattr("fbsearch.pipeline.choice.attempts.shutil.move", move)
        with pytest.raises(KeyboardInterrupt):
            put_aside(paths, record, writes=True)
    finish_putting_aside(paths, RunLog(paths, seed=0))
    check_put_aside(paths)


class Stages:
    """In place of a run's: each search takes the next architecture, each verification the next latency."""

    def __init__(self, run: Run, latencies_ms: list[float]) -> None:
        self.run = run
        self.latencies_ms = iter(latencies_ms)
        self.known: list[int] = []

    def by_name(self) -> dict[str, object]:
        return {"search": self.search, "train": lambda: None, "export": lambda: None, "verify": self.verify}

    def search(self) -> None:
        self.known.append(len(load_attempts(self.run.paths)))
        SPACE.decode((len(self.known), 0, 0, 0)).save(self.run.paths.architecture)

    def verify(self) -> None:
        write_record(self.run.paths.verification(), verification(next(self.latencies_ms)))


@pytest.fixture
def run_with(tmp_path, monkeypatch):
    def build(*latencies_ms: float) -> tuple[Run, Stages, list[str]]:
        told: list[str] = []
        recipe = load_recipe("quickstart", ["confirm.exports=3"])
        run = Run(recipe, tmp_path / "run", progress=False, notify=told.append)
        stages = Stages(run, list(latencies_ms))
        monkeypatch.setattr(run, "_stages", stages.by_name())
        return run, stages, told

    return build


def test_a_run_goes_on_until_a_model_keeps_the_budget(run_with):
    run, stages, told = run_with(1.2, 1.02, 0.95)
    kept = run.execute(resume=False)
    assert kept[1].measured_ms == 0.95 and stages.known == [0, 1, 2]
    assert Architecture.load(run.paths.architecture) == SPACE.decode((3, 0, 0, 0))
    assert [one.verifications[1].measured_ms for one in load_attempts(run.paths)] == [1.2, 1.02]
    assert sum("over the budget by 20.0%" in line for line in told) == 1


def test_a_run_ends_with_an_error_once_it_may_try_no_more(run_with):
    run, stages, _ = run_with(1.2, 1.1, 1.05)
    with pytest.raises(
        BudgetError, match=r"all 3 exported models take 1\.2, 1\.1, 1\.05 ms, over the budget of 1 ms"
    ):
        run.execute(resume=False)
    assert stages.known == [0, 1, 2]
    assert read_record(run.paths.verification(), Verification).measured_ms == 1.05


def test_a_busy_device_is_measured_once_more(tmp_path, monkeypatch):
    told: list[str] = []
    run = Run(load_recipe("quickstart"), tmp_path / "run", progress=False, notify=told.append)
    answers = iter([verification(1.2, is_steady=False), verification(0.9)])
    monkeypatch.setattr(
        "fbsearch.pipeline.targets.checks.run_verification", lambda *args, **kwargs: next(answers)
    )
    monkeypatch.setattr(RunContext, "data", None)
    run.paths.root.mkdir()
    run._stages["verify"]()
    assert read_record(run.paths.verification(), Verification).measured_ms == 0.9
    assert any("measured once more" in line for line in told)
