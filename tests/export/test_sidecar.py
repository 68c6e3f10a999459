from __future__ import annotations

import json
from pathlib import Path

import pytest

import fbsearch
from fbsearch.errors import ExportError
from fbsearch.export import FineTuning, Preprocessing, read_sidecar, sidecar_path, write_sidecar


def make_preprocessing(**changes) -> Preprocessing:
    fields = {
        "resolution": 32,
        "in_channels": 3,
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 0.25, 1.0),
        "layout": "NHWC",
        "class_names": ("cat", "dög"),
    }
    return Preprocessing(**{**fields, **changes})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"model")
    return path


def test_written_and_read(model: Path) -> None:
    written = write_sidecar(model, make_preprocessing(value_range=(-1.0, 1.0)), architecture="fbnet_a")
    assert sidecar_path(model).name == "model.tflite.json"
    assert read_sidecar(model) == written
    assert written.architecture == "fbnet_a"
    assert written.fbsearch_version == fbsearch.__version__
    assert written.preprocessing.class_names == ("cat", "dög")
    assert (written.precision, written.size_bytes, written.num_calibration_images) == ("fp32", 5, 0)


@pytest.mark.parametrize("value", [["nan", 0.2, 0.3], ["inf", 0.2, 0.3], [[], 0.2, 0.3], 5, None, "abc"])
def test_numbers_that_are_none_are_damage(model: Path, value: object) -> None:
    write_sidecar(model, make_preprocessing(), architecture="a")
    data = json.loads(sidecar_path(model).read_text())
    data["preprocessing"]["mean"] = value
    sidecar_path(model).write_text(json.dumps(data))
    with pytest.raises(ExportError, match="the sidecar is damaged"):
        read_sidecar(model)


def test_a_precision_is_recorded(model: Path) -> None:
    written = write_sidecar(
        model, make_preprocessing(), architecture="a", precision="int8", num_calibration_images=128
    )
    assert read_sidecar(model) == written
    assert (written.precision, written.num_calibration_images) == ("int8", 128)


def test_a_fine_tuning_is_recorded(model: Path) -> None:
    tuned = FineTuning(3, 0.97, 0.9, 0.96, 100, True, "model.tflite.finetune/weights.safetensors", "ab")
    written = write_sidecar(model, make_preprocessing(), architecture="a", precision="int8", finetuning=tuned)
    assert read_sidecar(model) == written and written.finetuning == tuned
    data = json.loads(sidecar_path(model).read_text())
    del data["finetuning"]["before"]
    sidecar_path(model).write_text(json.dumps(data))
    with pytest.raises(ExportError, match=r"damaged.*before"):
        read_sidecar(model)


def test_a_sidecar_from_before_precisions_is_an_fp32_one(model: Path) -> None:
    written = write_sidecar(model, make_preprocessing(), architecture="a")
    path = sidecar_path(model)
    data = json.loads(path.read_text())
    for name in ("precision", "size_bytes", "num_calibration_images", "finetuning"):
        del data[name]
    path.write_text(json.dumps(data))
    assert read_sidecar(model) == written


def test_a_changed_model_is_noticed(model: Path) -> None:
    write_sidecar(model, make_preprocessing(), architecture="a")
    model.write_bytes(b"other")
    with pytest.raises(ExportError, match=r"not the file that model\.tflite\.json describes"):
        read_sidecar(model)


def test_missing(model: Path) -> None:
    with pytest.raises(ExportError, match=r"model\.tflite\.json"):
        read_sidecar(model)
    with pytest.raises(ExportError, match="cannot write"):
        write_sidecar(model.with_name("none.tflite"), make_preprocessing(), architecture="a")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"preprocessing": None},
        {"preprocessing": {"resolution": 3}},
        {"sha256": "0"},
        {"precision": "int4"},
        {"size_bytes": None},
    ],
)
def test_damage(model: Path, change: dict[str, object]) -> None:
    write_sidecar(model, make_preprocessing(), architecture="a")
    path = sidecar_path(model)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ExportError, match=r"model\.tflite"):
        read_sidecar(model)


def test_not_json(model: Path) -> None:
    sidecar_path(model).write_text("{")
    with pytest.raises(ExportError, match="cannot read"):
        read_sidecar(model)


@pytest.mark.parametrize(
    "change",
    [{"mean": (0.1,)}, {"std": (0.5, 0.0, 1.0)}, {"layout": "CHW"}, {"resolution": 0}, {"in_channels": 1}],
)
def test_fields_that_do_not_fit(change: dict[str, object]) -> None:
    with pytest.raises(ExportError, match="preprocessing"):
        make_preprocessing(**change)
