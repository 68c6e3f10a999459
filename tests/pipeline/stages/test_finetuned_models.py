"""A model that int8 hurts is fine-tuned at export; the better file is kept, and verified with its network."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fbsearch.cli import main
from fbsearch.data import load_data
from fbsearch.errors import CheckpointError, ExportError, InvalidInputError, TrainingError
from fbsearch.export import FineTuning, read_sidecar
from fbsearch.files import sha256_of
from fbsearch.nn import Network, load_network, save_weights
from fbsearch.nn.blocks import MBConv
from fbsearch.pipeline.recipe import FinetuneSettings
from fbsearch.pipeline.stages.exporting import run_export
from fbsearch.pipeline.stages.finetuning import Finetuner, check_finetuning, finetuning_folder, network_of
from fbsearch.pipeline.stages.inputs import load_recorded
from fbsearch.pipeline.stages.training import past_training, run_training
from fbsearch.records import DataSettings, InputRecord, RunPaths, Verification, read_record, write_record
from fbsearch.spaces import load_space
from fbsearch.train import TrainSettings

RECOVERED_POINTS = 0.05
"""Of the validation accuracy, that three epochs bring back at least; they bring 12 (TFLite) to 50 (ONNX)."""


def hurt(network: Network, factor: float = 100.0) -> None:
    """Make int8 bad and leave the function as it is.

    Behind a ReLU a channel may be so many times as large, and its weights in the next convolution so many
    times smaller. All other channels of the tensor then have so many times fewer levels.
    """
    with torch.no_grad():
        for block in network.modules():
            if isinstance(block, MBConv):
                depthwise, project = block.stages[-2:]
                depthwise.norm.weight[:2] *= factor
                depthwise.norm.bias[:2] *= factor
                project.conv.weight[:, :2] /= factor


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_a_network_that_int8_hurts_recovers(suffix: str, run: Path, tmp_path: Path, capsys) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    paths = RunPaths(folder)
    network = load_network(paths.architecture, paths.weights)
    hurt(network)
    save_weights(network, paths.weights)
    trained = paths.weights.read_bytes()

    to = ["--to", str(folder / f"model.{suffix}"), "--precision", "int8", "--finetune-epochs", "3"]
    assert main(["export", str(folder), *to, "--quiet", "--json"]) == 0
    printed = capsys.readouterr()
    exported = json.loads(printed.out)
    tuned = exported["finetuning"]
    [line] = printed.err.strip().splitlines()
    assert f"{tuned['before']:.2%}" in line and f"fine-tuned (epochs: 3) {tuned['after']:.2%}" in line
    assert tuned["before"] < tuned["fp32_accuracy"] - 0.1
    assert tuned["after"] > tuned["before"] + RECOVERED_POINTS and tuned["is_kept"]
    assert paths.weights.read_bytes() == trained

    model = Path(exported["model"])
    assert main(["verify", str(model), "--set", "min_top1_agreement=0", "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified["finetuning"] == tuned
    assert verified["fp32_test_accuracy"] > 0.9  # of the trained network
    assert verified["test_accuracy"] > tuned["before"] + RECOVERED_POINTS
    assert read_record(paths.verification(), Verification).finetuning == read_sidecar(model).finetuning

    # The same command again: the fine-tuning is there, and not repeated.
    metrics = finetuning_folder(model) / "metrics.jsonl"
    written = metrics.read_bytes()
    assert main(["export", str(folder), *to, "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["finetuning"] == tuned
    assert metrics.read_bytes() == written


@pytest.fixture(scope="module")
def barely(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run's folder after one epoch on a few digits."""
    settings = DataSettings(source="digits", limit=60)
    data = load_data("digits", resolution=8, limit=60)
    paths = RunPaths(tmp_path_factory.mktemp("barely"))
    architecture = load_space("digits", resolution=8).decode((1, 1, 1, 1))
    architecture.save(paths.architecture)
    run_training(
        architecture,
        data=data,
        inputs=InputRecord.of(settings, data, 0),
        augmentation=data.augmentation,
        settings=TrainSettings(epochs=1, batch_size=32, learning_rate=0.05),
        seed=0,
        paths=paths,
        resume=False,
        progress=False,
    )
    return paths


class Export:
    """An export that may be fine-tuned, and what it says."""

    def __init__(self, paths: RunPaths, folder: Path) -> None:
        self.paths, self.model, self.lines = paths, folder / "model.int8.onnx", []  # type: ignore[var-annotated]

    def __call__(self, **settings: Any) -> FineTuning | None:
        chosen = FinetuneSettings(**{"epochs": 1, **settings})
        run_export(self.paths.root, self.model, precision="int8", finetune=chosen, notify=self.lines.append)
        return read_sidecar(self.model).finetuning


@pytest.fixture
def export(barely: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Its files tell only which network they are of: how good a real one is makes no difference here."""

    def write(network: Network, model: Path, **options: Any) -> None:
        model.write_text(repr(sum(float(parameter.square().sum()) for parameter in network.parameters())))

    monkeypatch.setattr("fbsearch.pipeline.stages.exporting._export", write)
    return Export(barely, tmp_path)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch):
    """Sets the accuracies that files are found to have, one after another."""

    def use(*accuracies: float) -> None:
        left = list(accuracies)
        monkeypatch.setattr(Finetuner, "_accuracy", lambda self, model: left.pop(0))

    return use


def refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("not to be fine-tuned")


def test_within_the_bound_nothing_is_trained(export: Export, judged, monkeypatch) -> None:
    judged(0.0)
    monkeypatch.setattr("fbsearch.pipeline.stages.finetuning.finetune_network", refuse)
    assert export(max_accuracy_drop=0.99) is None
    [line] = export.lines
    assert line.startswith("model.int8.onnx: validation accuracy ") and line.endswith("not fine-tuned")
    assert {path.name for path in export.model.parent.iterdir()} == {
        export.model.name,
        "model.int8.onnx.json",
    }


def test_by_default_nobody_looks(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finetuner, "improve", refuse)
    assert export(epochs=0) is None and export.lines == []


def test_the_better_file_is_kept_and_its_network_known(export: Export, judged) -> None:
    assert export(epochs=0) is None
    plain = export.model.read_bytes()
    judged(0.0, 0.5)
    tuned = export(max_accuracy_drop=0.0)
    assert tuned is not None and tuned.is_kept and (tuned.before, tuned.after) == (0.0, 0.5)
    assert "fine-tuned (epochs: 1) 50.00%" in export.lines[-1]
    assert export.model.read_bytes() != plain

    sidecar, weights = read_sidecar(export.model), export.model.parent / tuned.weights
    network = network_of(export.model, sidecar, export.paths)
    trained = load_network(export.paths.architecture, export.paths.weights)
    assert not all((a == b).all() for a, b in zip(network.parameters(), trained.parameters(), strict=True))
    save_weights(trained, weights)
    with pytest.raises(ExportError, match=r"weights\.safetensors: not the fine-tuned weights of model\.int8"):
        network_of(export.model, sidecar, export.paths)
    weights.unlink()
    with pytest.raises(ExportError, match="put them back, or export the model again"):
        network_of(export.model, sidecar, export.paths)


def test_a_file_that_is_no_better_makes_no_difference(export: Export, judged) -> None:
    assert export(epochs=0) is None
    plain = export.model.read_bytes()
    judged(0.0, 0.0)
    tuned = export(max_accuracy_drop=0.0)
    assert tuned is not None and not tuned.is_kept
    assert export.lines[-1].endswith("0.00%, not kept")
    assert export.model.read_bytes() == plain
    network = network_of(export.model, read_sidecar(export.model), export.paths)
    trained = load_network(export.paths.architecture, export.paths.weights)
    assert all((a == b).all() for a, b in zip(network.parameters(), trained.parameters(), strict=True))


def test_a_fine_tuning_that_fails_costs_no_model(export: Export, judged, monkeypatch) -> None:
    def diverge(*args: Any, **kwargs: Any) -> None:
        raise TrainingError("the loss became nan")

    judged(0.0)
    monkeypatch.setattr("fbsearch.pipeline.stages.finetuning.finetune_network", diverge)
    assert export(max_accuracy_drop=0.0) is None
    [line] = export.lines
    assert line.startswith("warning: ") and "the loss became nan" in line
    assert export.model.exists()


def test_interrupted_it_leaves_the_model_that_was_there(export: Export, judged, monkeypatch) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    assert export(epochs=0) is None
    before = {path.name: path.read_bytes() for path in export.model.parent.iterdir()}
    judged(0.0)
    monkeypatch.setattr("fbsearch.pipeline.stages.finetuning.finetune_network", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(max_accuracy_drop=0.0)
    assert {path.name: path.read_bytes() for path in export.model.parent.iterdir()} == before


def test_only_validation_images_are_looked_at(export: Export, judged) -> None:
    data = dataclasses.replace(load_recorded(read_record(export.paths.inputs, InputRecord)), test=None)
    judged(0.0, 0.5)
    finetune = FinetuneSettings(epochs=1, max_accuracy_drop=0.0, num_samples=20)
    sidecar = run_export(export.paths.root, export.model, precision="int8", finetune=finetune, data=data)
    assert sidecar.finetuning is not None and sidecar.finetuning.num_samples == 20


def test_what_cannot_be_fine_tuned_is_refused_at_once() -> None:
    once = FinetuneSettings(epochs=1)
    check_finetuning(once, "int8")
    check_finetuning(FinetuneSettings(), "fp32", num_processes=2)
    with pytest.raises(InvalidInputError, match="in fp16: only int8 and dynamic_int8"):
        check_finetuning(once, "fp16")
    with pytest.raises(InvalidInputError, match="in one process, not in 2"):
        check_finetuning(once, "int8", num_processes=2)


def test_how_a_network_was_trained_is_read_from_its_checkpoint(barely: RunPaths, tmp_path: Path) -> None:
    settings, augmentation = past_training(barely)
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (1, 32, 0.05)
    assert augmentation == load_recorded(read_record(barely.inputs, InputRecord)).augmentation
    with pytest.raises(CheckpointError, match="made by 'fbsearch train'"):
        past_training(RunPaths(tmp_path))


def test_a_verification_holds_the_fine_tuning(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"model")
    tuned = FineTuning(1, 0.9, 0.5, 0.8, 10, True, "m.onnx.finetune/w", sha256_of(tmp_path / "m.onnx"))
    verification, path = Verification(measured_ms=1.0, finetuning=tuned), RunPaths(tmp_path).verification()
    write_record(path, verification)
    assert read_record(path, Verification) == verification


def test_fine_tuned_weights_move_with_a_model_put_aside(tmp_path: Path) -> None:
    model = RunPaths(tmp_path).model("tflite", "int8")
    assert finetuning_folder(model).match("model.*")  # what makes way is moved by this name
