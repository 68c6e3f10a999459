"""Bad input of many kinds: one clear line that names it, exit code 2, and nothing that was there is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fbsearch.files import write_json
from fbsearch.nn import Network, save_weights
from fbsearch.spaces import load_space
from tests.data.image_folders import folder_files, write_folder
from tests.latency.sample_table import sample_table

SEARCH = ["search", "--space", "digits", "--data", "digits", "--budget-ms", "1"]


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "table.json"
    sample_table().save(path)
    return path


@pytest.fixture
def damage(table):
    """Changes the table file by a function of its JSON."""

    def apply(change) -> Path:
        data = json.loads(table.read_text())
        change(data)
        table.write_text(json.dumps(data))
        return table

    return apply


def first_entry(data):
    return next(iter(data["entries"].values()))


class TestCommands:
    """What is typed wrongly."""

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["fly"], "fly"),
            (["search", "--space", "digits"], "--table"),
            (["profile", "--space", "digits", "--threads", "0"], "--threads"),
            (["profile", "--space", "digits", "--frobnicate"], "--frobnicate"),
            (["search", *SEARCH[1:-1], "five", "--table", "T", "--out", "R"], "--budget-ms"),
            (["profile", "--space", "digits", "--runtime", "tensorrt"], "tflite, onnxruntime"),
            (["profile", "--space", "digits", "--precision", "int4"], "fp32, fp16, dynamic_int8, int8"),
            (["export", "RUN", "--to", "m.tflite", "--precision", "int4"], "fp32, fp16, dynamic_int8, int8"),
            (["run", "quickstart", "--out", "R", "--set", "device.precision=int4"], "device.precision"),
            (["run", "quickstart", "--out", "R", "--set", "export.finetune.epochs=3"], "in fp32: only int8"),
            (["run", "quickstart", "--out", "R", "--set", "export.finetune.epochs=few"], "export.finetune"),
            (["export", "RUN", "--to", "m.onnx", "--precision", "fp16", "--finetune-epochs", "3"], "int8"),
            (["export", "RUN", "--to", "m.onnx", "--finetune-epochs", "-1"], "--finetune-epochs"),
            (["export", "RUN", "--to", "m.onnx", "--set", "max_accuracy_drop=1.5"], "max_accuracy_drop"),
            (["profile", "--space", "digits", "--device", "pixel-99"], "pixel-99"),
            (["profile", "--space", "no-such-space"], "fbnet"),
            (["profile", "--space", "digits", "--set", "max_rounds=2"], "max_rounds"),
            (["describe", "fbnet_z"], "fbnet_a"),
            (["describe", "SuperConvK3BNRELU(3,8,1,1)"], "give both"),
            (
                ["describe", "SuperConvK3BNRELU(3,8", "--resolution", "8", "--num-classes", "2"],
                "no super-block",
            ),
            (["describe", "SuperConvK3BNRELU(3,8,1,1)" * 999], "25,974 characters"),
            (["describe", "fbnet_a", "--squeeze-excite"], "no structure string"),
            (["describe", "zen_cifar", "--out", "A"], "is a space"),
            (["train", "SuperConvK3BNRELU(3,8,1,1)", "--data", "digits", "--out", "R"], "--out FILE"),
            (["run", "quickest", "--out", "R"], "quickstart"),
            (["run", "quickstart", "--out", "R", "--set", "search.epoch=5"], "search.epoch"),
            (["run", "quickstart", "--out", "R", "--set", "search.epochs"], "NAME=VALUE"),
            (["run", "quickstart", "--out", "R", "--set", "search.epochs=-5"], "search.epochs"),
            (["run", "quickstart", "--out", "R", "--set", "budget_ms=0"], "budget_ms"),
            (["run", "quickstart", "--out", "R", "--set", "budget_ms=120%"], "budget_ms"),
            (["run", "quickstart", "--out", "R", "--set", "seed.x=1"], "seed"),
            (["run", "quickstart", "--out", "R", "--set", "budgets.params=4MB"], "budgets.params"),
            (["run", "quickstart", "--out", "R", "--set", "budgets.flops=4M"], "budgets.flops"),
            ([*SEARCH, "--table", "T", "--out", "R", "--max-params", "few"], "few"),
            (["report", "no-such-run"], "no-such-run"),
        ],
    )
    def test_is_named(self, failing, tmp_path, monkeypatch, arguments, named):
        monkeypatch.chdir(tmp_path)
        assert named in failing(*arguments)


class TestSpaces:
    """Space files."""

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("name: [", "not YAML"),
            ("- a list", "mapping"),
            ("name: x\nresolution: 8\nnum_classes: 2\nstages: []\n", "stages"),
            ("name: x\nresolution: 8\nnum_classes: 2\nstages: [{channels: 8, layer: 1}]\n", "layer"),
            (
                "name: x\nresolution: 8\nnum_classes: 2\nstages: [{channels: 8, layers: 1}]\n"
                "candidates: [k4_e1]\n",
                "odd",
            ),
            (
                "name: x\nresolution: 8\nnum_classes: 2\nstages: [{channels: 9, layers: 1}]\n"
                "candidates: [k3_e1_g2]\n",
                "groups",
            ),
        ],
    )
    def test_is_named(self, failing, tmp_path, text, named):
        path = tmp_path / "space.yaml"
        path.write_text(text)
        assert named in failing("profile", "--space", path, "--dry-run")


class TestTables:
    """Tables of the wrong kind, unit, space, or with impossible numbers."""

    def check(self, failing, path, named, tmp_path):
        before = path.read_bytes()
        assert named in failing(*SEARCH, "--table", path, "--out", tmp_path / "run")
        assert path.read_bytes() == before

    def test_missing(self, failing, tmp_path):
        assert "none.json" in failing(*SEARCH, "--table", tmp_path / "none.json", "--out", tmp_path / "run")

    def test_not_json(self, failing, table, tmp_path):
        table.write_text(table.read_text()[:-100])
        self.check(failing, table, "table.json", tmp_path)

    def test_other_file(self, failing, table, tmp_path):
        load_space("digits").decode((0, 0, 0, 0)).save(table)
        self.check(failing, table, "fbsearch.latency_table", tmp_path)

    def test_wrong_unit(self, failing, damage, tmp_path):
        self.check(failing, damage(lambda data: data.update(unit="ms")), "unit", tmp_path)

    def test_newer_version(self, failing, damage, tmp_path):
        self.check(failing, damage(lambda data: data.update(version=7)), "version", tmp_path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0, "fast"])
    def test_impossible_latency(self, failing, damage, tmp_path, value):
        path = damage(lambda data: first_entry(data).update(latency_us=value))
        self.check(failing, path, "latency_us", tmp_path)

    def test_edited_latency(self, failing, damage, tmp_path):
        path = damage(
            lambda data: first_entry(data).update(latency_us=first_entry(data)["latency_us"] * 1000)
        )
        self.check(failing, path, "latency_us", tmp_path)

    def test_missing_operator(self, failing, damage, tmp_path):
        key = next(iter(sample_table().entries))
        self.check(failing, damage(lambda data: data["entries"].pop(key)), key, tmp_path)

    def test_other_space(self, failing, table, tmp_path):
        line = failing(
            *("search", "--space", "cifar", "--data", "digits", "--budget-ms", "1"),
            *("--table", table, "--out", tmp_path / "run"),
        )
        assert "digits" in line and "cifar" in line

    def test_budget_below_the_cheapest(self, failing, table, tmp_path):
        line = failing(*SEARCH[:-1], "0.000001", "--table", table, "--out", tmp_path / "run")
        assert "cheapest" in line and " to " in line


class TestData:
    """Data sets that cannot be used."""

    def check(self, failing, table, tmp_path, source, *named):
        line = failing(
            *("search", "--space", "digits", "--data", source, "--budget-ms", "1"),
            *("--table", table, "--out", tmp_path / "run"),
        )
        assert all(name in line for name in named), line

    def test_missing(self, failing, table, tmp_path):
        self.check(failing, table, tmp_path, tmp_path / "none", "none")

    def test_empty(self, failing, table, tmp_path):
        (tmp_path / "empty").mkdir()
        self.check(failing, table, tmp_path, tmp_path / "empty", "empty")

    def test_one_class(self, failing, table, tmp_path):
        root = write_folder(tmp_path / "images", folder_files({"": {"a": 10}}))
        self.check(failing, table, tmp_path, root, "class")

    def test_corrupt_image(self, failing, table, tmp_path):
        files = folder_files({"": {"a": 10, "b": 10}})
        files["a/003.png"] = files["a/003.png"][:40]
        self.check(failing, table, tmp_path, write_folder(tmp_path / "images", files), "003.png", "1 corrupt")

    def test_damaged_zip(self, failing, table, tmp_path):
        (tmp_path / "images.zip").write_bytes(b"PK\x03\x04 and no more")
        self.check(failing, table, tmp_path, tmp_path / "images.zip", "images.zip")

    def test_other_number_of_classes(self, failing, table, tmp_path):
        root = write_folder(tmp_path / "images", folder_files({"": {"a": 20, "b": 20, "c": 20}}))
        line = failing(
            *("search", "--space", "digits", "--num-classes", "10", "--data", root, "--budget-ms", "1"),
            *("--table", table, "--out", tmp_path / "run"),
        )
        assert "10" in line and "3" in line and "num_classes" in line


class TestRuns:
    """Run folders, architectures, weights and models."""

    @pytest.fixture
    def run(self, tmp_path) -> Path:
        """A folder with an architecture, weights and inputs, as a training leaves it."""
        folder = tmp_path / "run"
        folder.mkdir()
        architecture = load_space("digits").decode((0, 5, 0, 5))
        architecture.save(folder / "architecture.json")
        save_weights(Network(architecture), folder / "weights.safetensors")
        write_json(
            folder / "inputs.json",
            {
                "data": {"source": "digits"},
                "seed": 0,
                "resolution": 16,
                "in_channels": 1,
                "mean": [0.3],
                "std": [0.4],
                "class_names": [str(digit) for digit in range(10)],
            },
        )
        return folder

    def test_damaged_architecture(self, failing, run):
        (run / "architecture.json").write_text('{"format": "fbsearch.architecture", "version": 1}')
        assert "architecture.json" in failing("describe", run)

    def test_operators_that_do_not_fit(self, failing, run):
        data = json.loads((run / "architecture.json").read_text())
        data["nodes"].pop(1)
        data["nodes"][1]["inputs"] = [data["nodes"][0]["name"]]
        (run / "architecture.json").write_text(json.dumps(data))
        assert "no input for" in failing("train", run / "architecture.json", "--data", "digits", "--out", run)

    def test_unknown_model_format(self, failing, run):
        assert ".tflite or .onnx" in failing("export", run, "--to", run / "model.pb")

    def test_nothing_to_export(self, failing, tmp_path):
        (tmp_path / "bare").mkdir()
        assert "architecture.json" in failing("export", tmp_path / "bare", "--to", tmp_path / "m.onnx")

    def test_damaged_weights(self, failing, run):
        weights = run / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-20])
        assert "weights.safetensors" in failing("export", run, "--to", run / "model.onnx")

    def test_weights_of_another_network(self, failing, run):
        save_weights(Network(load_space("digits").decode((4, 4, 4, 4))), run / "weights.safetensors")
        assert "do not fit" in failing("export", run, "--to", run / "model.onnx")

    def test_pickled_weights_are_never_loaded(self, failing, run):
        import pickle

        (run / "weights.safetensors").write_bytes(pickle.dumps({"stem": np.zeros(3)}))
        assert "weights.safetensors" in failing("export", run, "--to", run / "model.onnx")

    def test_model_without_sidecar(self, failing, run):
        (run / "model.tflite").write_bytes(b"TFL3")
        assert "sidecar" in failing("verify", run / "model.tflite")

    def test_model_missing(self, failing, run):
        assert "model.tflite" in failing("verify", run / "model.tflite")

    def test_initial_weights_missing(self, failing, run, tmp_path):
        line = failing(
            *(
                "train",
                run / "architecture.json",
                "--data",
                "digits",
                "--limit",
                "100",
                "--out",
                tmp_path / "new",
            ),
            *("--init", tmp_path / "none.safetensors"),
        )
        assert "none.safetensors" in line

    def test_damaged_checkpoint(self, failing, run):
        (run / "train").mkdir()
        (run / "train" / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
        line = failing(
            *(
                "train",
                run / "architecture.json",
                "--data",
                "digits",
                "--limit",
                "100",
                "--out",
                run,
                "--resume",
            ),
        )
        assert "checkpoint.safetensors" in line

    def test_a_place_that_cannot_be_written(self, failing, run, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        line = failing("train", run / "architecture.json", "--data", "digits", "--out", blocked / "run")
        assert "cannot be written" in line

    def test_a_folder_that_holds_a_run(self, failing, run):
        (run / "recipe.yaml").write_text("name: other\n")
        assert "--resume" in failing("run", "quickstart", "--out", run)
        assert (run / "recipe.yaml").read_text() == "name: other\n"

    def test_a_run_with_other_settings(self, failing, tmp_path):
        from fbsearch.pipeline import load_recipe

        (tmp_path / "recipe.yaml").write_text(load_recipe("quickstart").to_yaml())
        line = failing("run", "quickstart", "--out", tmp_path, "--resume", "--set", "train.epochs=99")
        assert "train.epochs was" in line and "is 99" in line
