"""A trained network in every precision: exported, compared with itself in fp32, and measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fbsearch.cli import main
from fbsearch.data import load_data
from fbsearch.errors import ExportError
from fbsearch.export import Agreement, ConversionCache, Preprocessing, Sidecar, read_sidecar
from fbsearch.latency.measuring.networks import convert_architectures
from fbsearch.pipeline.recipe import VerifySettings, given_settings
from fbsearch.pipeline.stages.comparing import bounds_of, check_agreement
from fbsearch.pipeline.stages.inputs import calibration_inputs
from fbsearch.precision import PRECISIONS
from fbsearch.records import RunPaths, Verification, read_record, write_record
from fbsearch.records.agreement import MIN_TOP1_AGREEMENT
from fbsearch.spaces import load_space

LOST_POINTS = 0.03
"""Of the test accuracy, that a precision may cost a tiny network on digits."""

PREPROCESSING = Preprocessing(16, 1, (0.3,), (0.4,), "NHWC", tuple(map(str, range(10))))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_trained_network_keeps_its_accuracy(precision, suffix, run: Path, capsys) -> None:
    to = run / f"model.{suffix}"
    assert main(["export", str(run), "--to", str(to), "--precision", precision, "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    model = Path(exported["model"])
    assert model.name == (f"model.{suffix}" if precision == "fp32" else f"model.{precision}.{suffix}")
    assert read_sidecar(model).precision == precision
    assert exported["num_calibration_images"] == (128 if precision == "int8" else 0)

    assert main(["verify", str(model), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified["precision"] == precision
    assert verified["file_size_bytes"] == exported["size_bytes"] == model.stat().st_size
    assert verified["fp32_test_accuracy"] > 0.7
    assert verified["test_accuracy"] > verified["fp32_test_accuracy"] - LOST_POINTS
    assert verified["top1_agreement"] > 1 - LOST_POINTS


@pytest.mark.slow
def test_too_few_calibration_images_are_noticed(run: Path, capsys) -> None:
    to = ["--to", str(run / "one.onnx"), "--precision", "int8", "--calibration-images", "1"]
    assert main(["export", str(run), *to]) == 0
    assert main(["verify", str(run / "one.int8.onnx"), "--set", "min_top1_agreement=1.0"]) == 2
    assert "calibrate with more than 1 images" in capsys.readouterr().err


def sidecar(precision) -> Sidecar:
    return Sidecar("a", PREPROCESSING, "0", "0", precision, 1, 128 if precision == "int8" else 0)


def check(precision, *, difference: float, agreement: float, count: int = 100) -> None:
    agreed = Agreement(difference, agreement, count)
    about = sidecar(precision)
    check_agreement(agreed, about, bounds_of(about, VerifySettings()), "the exported model")


def test_all_are_judged_by_their_choices_and_fp32_by_its_numbers_too() -> None:
    with pytest.raises(ExportError, match="logits differ by up to 1"):
        check("fp32", difference=1.0, agreement=1.0)
    for precision in PRECISIONS:
        difference, least = 1e-4 if precision == "fp32" else 100.0, MIN_TOP1_AGREEMENT[precision]
        check(precision, difference=difference, agreement=least)
        told = rf"in {precision} disagrees .* {least - 0.01:.2%} of 100 .* {least:.2%}"
        with pytest.raises(ExportError, match=told):
            check(precision, difference=difference, agreement=least - 0.01)


def test_a_verification_from_before_precisions_is_an_fp32_one(tmp_path: Path) -> None:
    verification = Verification(measured_ms=1.0, precision="fp32", fp32_test_accuracy=0.9, file_size_bytes=10)
    paths = RunPaths(tmp_path)
    write_record(paths.verification(), verification)
    data = json.loads(paths.verification().read_text())
    for name in ("precision", "fp32_test_accuracy", "file_size_bytes"):
        del data[name]
    paths.verification().write_text(json.dumps(data))
    assert read_record(paths.verification(), Verification) == verification


def test_of_a_few_images_one_may_differ() -> None:
    check("int8", difference=1.0, agreement=0.75, count=4)
    with pytest.raises(ExportError, match="calibrate with more than 128 images"):
        check("int8", difference=1.0, agreement=0.5, count=4)
    with pytest.raises(ExportError, match="another precision"):
        check("fp16", difference=1.0, agreement=0.5, count=4)


def test_calibration_images_are_drawn_from_all_and_preprocessed() -> None:
    images = load_data("digits", resolution=16, in_channels=1, seed=0).train
    drawn = calibration_inputs(images, PREPROCESSING, count=70, seed=3)
    assert drawn.shape == (70, 1, 16, 16) and drawn.dtype == "float32"
    assert drawn.min() == pytest.approx(-0.3 / 0.4) and drawn.max() == pytest.approx(0.7 / 0.4, rel=0.1)
    assert (drawn == calibration_inputs(images, PREPROCESSING, count=70, seed=3)).all()
    assert not (drawn == calibration_inputs(images, PREPROCESSING, count=70, seed=4)).all()
    few = images.subset(range(5))
    assert len(calibration_inputs(few, PREPROCESSING, count=70, seed=3)) == 5


def test_the_command_line_names_a_precision() -> None:
    assert given_settings("local", None, None, "int8").precision == "int8"
    assert "precision" not in given_settings("local", None, None).model_fields_set


def test_whole_networks_convert_to_every_precision(tmp_path: Path) -> None:
    network, cache = load_space("digits").decode((0, 1, 2, 3)), ConversionCache(tmp_path)
    paths = {p: convert_architectures([network], "onnx", cache, precision=p, jobs=1)[0] for p in PRECISIONS}
    sizes = {precision: path.stat().st_size for precision, path in paths.items()}
    assert sizes["fp32"] > sizes["fp16"] > max(sizes["int8"], sizes["dynamic_int8"])
