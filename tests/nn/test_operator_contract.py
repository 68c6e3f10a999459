"""What every registered kind of operator keeps, as module, counts, drawing and model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from fbsearch.architecture import Operator, registered_kinds
from fbsearch.costs import count_operator
from fbsearch.devices import FORMAT_RUNTIMES, LocalDevice
from fbsearch.export import export_model
from fbsearch.export.operators import random_module
from fbsearch.nn import build
from fbsearch.reports.drawings.sketches import Sketch, sketch

KEYS = (
    "conv_k3_g2_s2_relu_c4-6_r9",
    "conv_k3_s2_valid_identity_c3-8_r8",
    "conv_k3_s1_valid_relu_c4-6_r9",
    "mbconv_k5_e3_g2_s1_se0.25_hswish_c8-8_r8",
    "skip_s1_c8-8_r8",
    "skip_s2_c8-12_r9",
    "classifier_c8-5_r8",
    "avgpool_k3_s1_c8-8_r8",
    "avgpool_k3_s2_c8-8_r8",
    "maxpool_k5_s2_c8-8_r8",
    "maxpool_k3_s1_c8-8_r8",
    "reluconv_k1_s1_c8-12_r8",
    "reluconv_k3_g2_s2_c8-12_r8",
    "sepconv_k5_s2_c8-8_r8",
    "sepconv_k3_d2_s2_c8-8_r8",
    "sepconv_k3_d2_s1_c8-12_r9",
    "dilconv_k3_d2_s1_c8-8_r8",
    "dilconv_k5_d2_s2_c8-8_r8",
    "asymconv_k7_s1_c8-8_r8",
    "asymconv_k3_s2_c8-12_r8",
    "relu_c8-8_r8",
    "facreduce_c8-12_r8",
    "facreduce_c8-9_r7",
    "basic_k3_s1_c8-8_r8",
    "basic_k3_s2_c8-16_r8",
    "bottleneck_k3_b2_g2_s2_c8-16_r8",
    "add_n3_c8-8_r8",
    "concat_n3_c8-24_r8",
    "zero_s1_c8-8_r8",
    "zenbasic_k3_h6_s2_c8-16_r9",
    "zenbasic_k5_h12_s1_c8-8_r8",
    "zenbottle_k5_h4_s1_proj_c8-8_r8",
    "zenbottle_k3_h4_s2_se_c8-16_r8",
    "zenidw_k7_h16_s2_c8-12_r9",
    "zenidw_k3_h16_s1_se_c8-8_r8",
    "zero_s2_c8-8_r9",
)
OPERATORS = [Operator.from_key(key) for key in KEYS]


def inputs_of(op: Operator, batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, *shape.dimensions, generator=generator) for shape in op.inputs]


def run_tflite(path: Path, inputs: list[np.ndarray]) -> np.ndarray:
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    details = sorted(interpreter.get_input_details(), key=lambda detail: detail["name"])
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output.transpose(0, 3, 1, 2) if output.ndim == 4 else output


def run_onnx(path: Path, inputs: list[np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def test_every_kind_stands_here() -> None:
    assert {type(op) for op in OPERATORS} >= {
        kind for kind in registered_kinds() if "tests" not in kind.__module__
    }


@pytest.mark.parametrize("op", OPERATORS, ids=str)
class TestOperatorContract:
    def test_its_module_has_the_shape_that_it_says_and_learns(self, op: Operator) -> None:
        inputs = [x.requires_grad_() for x in inputs_of(op, batch=3)]
        module = build(op).train()
        output = module(*inputs)
        assert output.shape == (3, *op.output.dimensions)
        if output.requires_grad:
            output.square().sum().backward()
            assert all(p.grad is not None for p in module.parameters())

    def test_its_counts_are_those_of_its_module(self, op: Operator) -> None:
        counts = count_operator(op)
        assert counts.num_params == sum(p.numel() for p in build(op).parameters())
        assert op.num_weights == counts.num_kernel_params
        elements = sum(shape.num_elements for shape in op.inputs)
        assert counts.peak_bytes >= 4 * elements
        assert counts.num_macs >= 0 and (counts.num_macs > 0) == (counts.num_kernel_params > 0)

    def test_it_is_the_identity_just_where_it_says_so(self, op: Operator) -> None:
        inputs = inputs_of(op)
        output = build(op).eval()(*inputs)
        is_same = output.shape == inputs[0].shape and torch.equal(output, inputs[0])
        assert is_same == op.is_identity

    def test_it_can_be_drawn(self, op: Operator) -> None:
        assert isinstance(sketch(op), Sketch) and sketch(op).width > 0

    @pytest.mark.parametrize("suffix", ["tflite", "onnx"])
    def test_its_files_agree_with_it(self, op: Operator, suffix: str, tmp_path: Path) -> None:
        if op.is_free:
            pytest.skip("what is free is never converted alone")
        module, path = random_module(op), tmp_path / f"model.{suffix}"
        export_model(module, [shape.dimensions for shape in op.inputs], path)
        given = inputs_of(op, batch=1)
        output = (run_tflite if suffix == "tflite" else run_onnx)(path, [x.numpy() for x in given])
        measured = LocalDevice().runner(FORMAT_RUNTIMES[suffix], threads=1).open(path)
        assert all(latency_us > 0 for latency_us in measured.invoke(2))
        measured.close()
        with torch.no_grad():
            expected = module(*given).numpy()
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)
