"""Every precision of both formats: every kind of operator converts, runs, and stays close to torch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export import ConversionCache, convert_operators, convert_precision, random_inputs
from fbsearch.export.operators import random_module
from fbsearch.precision import Precision
from tests.export.converted import run_model

KEYS = (
    "conv_k3_s2_relu_c3-16_r32",
    "mbconv_k5_e3_s1_relu6_c24-24_r14",
    "mbconv_k3_e1_full_g2_s2_relu_c24-32_r14",
    "mbconv_k3_e3_s1_se0.25_hswish_c24-24_r14",
    "skip_s2_c16-24_r14",
    "classifier_c64-10_r7",
)
OPERATORS = tuple(map(Operator.from_key, KEYS))

BOUNDS: dict[Precision, float] = {"fp16": 1e-3, "dynamic_int8": 0.03, "int8": 0.06}
"""Largest difference allowed, as a share of the largest output."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ConversionCache:
    return ConversionCache(tmp_path_factory.mktemp("precisions"))


@pytest.fixture(scope="module")
def model(store: ConversionCache) -> Path:
    return convert_operators([OPERATORS[0]], "onnx", store, jobs=1)[OPERATORS[0]]


def shape_of(operator: Operator) -> tuple[int, int, int]:
    return operator.in_channels, operator.resolution, operator.resolution


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("model_format", [pytest.param("tflite", marks=pytest.mark.slow), "onnx"])
def test_operators_stay_close_to_torch(model_format, precision: Precision, store: ConversionCache) -> None:
    paths = convert_operators(OPERATORS, model_format, store, precision=precision, jobs=1)
    assert list(paths) == list(OPERATORS)
    for operator, path in paths.items():
        inputs = torch.from_numpy(random_inputs(shape_of(operator)))
        with torch.no_grad():
            expected = random_module(operator)(inputs)
        difference = (run_model(path, inputs) - expected).abs().max() / expected.abs().max()
        assert 0 < difference < BOUNDS[precision], operator  # 0: it would still be the float model


def test_weights_shrink(store: ConversionCache) -> None:
    wide = Operator.from_key("conv_k3_s1_relu_c64-64_r7")
    for model_format in ("tflite", "onnx"):
        sizes = {
            precision: convert_operators([wide], model_format, store, precision=precision, jobs=1)[wide]
            .stat()
            .st_size
            for precision in ("fp32", *BOUNDS)
        }
        assert sizes["fp16"] < 0.6 * sizes["fp32"]
        assert max(sizes["dynamic_int8"], sizes["int8"]) < 0.4 * sizes["fp32"]


def test_a_cache_holds_each_precision_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ConversionCache(tmp_path)
    paths = {store.path(OPERATORS[0], "tflite", precision) for precision in ("fp32", *BOUNDS)}
    assert len(paths) == 4
    monkeypatch.setattr("fbsearch.export.cache.QUANTISER_VERSION", 0)
    assert store.path(OPERATORS[0], "tflite") in paths
    assert store.path(OPERATORS[0], "tflite", "int8") not in paths


def test_processes_convert_every_precision_from_one_float_file(tmp_path: Path) -> None:
    store, two = ConversionCache(tmp_path), OPERATORS[4:]
    convert_operators(two, "onnx", store, jobs=1)
    written = {op: store.path(op, "onnx").stat().st_mtime_ns for op in two}
    paths = convert_operators(two, "onnx", store, precision="int8", jobs=2)
    assert all(path.exists() for path in paths.values())
    assert {op: store.path(op, "onnx").stat().st_mtime_ns for op in two} == written


def test_inputs_set_the_ranges_of_int8(model: Path, tmp_path: Path) -> None:
    inputs = random_inputs(shape_of(OPERATORS[0]))
    narrow, wide = tmp_path / "narrow.onnx", tmp_path / "wide.onnx"
    convert_precision(model, "int8", [inputs / 8], narrow)
    convert_precision(model, "int8", [inputs], wide)
    images = torch.from_numpy(inputs)
    assert run_model(narrow, images).max() < 0.5 * run_model(wide, images).max()


def test_random_inputs_are_always_the_same() -> None:
    assert np.array_equal(random_inputs((2, 5, 5)), random_inputs((2, 5, 5)))


@pytest.mark.parametrize("precision", BOUNDS)
def test_it_is_silent(precision: Precision, model: Path, tmp_path: Path, capfd) -> None:
    convert_precision(model, precision, [random_inputs(shape_of(OPERATORS[0]))], tmp_path / "out.onnx")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
@pytest.mark.parametrize("precision", BOUNDS)
def test_a_damaged_model_is_one_line_and_leaves_nothing(suffix, precision: Precision, tmp_path: Path) -> None:
    broken = tmp_path / f"broken.{suffix}"
    broken.write_bytes(b"no model" * 20)
    with pytest.raises(ExportError, match=f"cannot be converted to {precision}") as failure:
        convert_precision(broken, precision, [random_inputs((1, 4, 4))], tmp_path / f"out.{suffix}")
    assert "\n" not in str(failure.value)
    assert list(tmp_path.iterdir()) == [broken]


def test_a_format_cannot_change(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"stays a \.onnx file"):
        convert_precision(model, "int8", [random_inputs((1, 4, 4))], tmp_path / "out.tflite")


def test_without_a_quantiser_it_says_what_to_install(model: Path, tmp_path: Path, monkeypatch) -> None:
    for name in ("ai_edge_quantizer.recipe", "onnxruntime.quantization"):
        monkeypatch.setitem(sys.modules, name, None)
    inputs = random_inputs(shape_of(OPERATORS[0]))
    with pytest.raises(ExportError, match="pip install 'ai-edge-quantizer"):
        convert_precision(tmp_path / "a.tflite", "int8", [inputs], tmp_path / "b.tflite")
    with pytest.raises(ExportError, match="pip install onnxruntime"):
        convert_precision(model, "int8", [inputs], tmp_path / "b.onnx")
