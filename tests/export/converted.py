"""Model files, run and looked into without fbsearch's own devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from torch import Tensor


def run_model(model: Path, inputs: Tensor) -> Tensor:
    """Outputs of a converted model, channels first, for inputs ``N x C x H x W``."""
    return _run_tflite(model, inputs) if model.suffix == ".tflite" else _run_onnx(model, inputs)


def operator_names(model: Path) -> list[str]:
    """The operators of a converted model, in their order, before any delegate takes them."""
    if model.suffix == ".onnx":
        return [node.op_type for node in onnx.load(model).graph.node]
    return [details["op_name"] for details in _interpreter(model)._get_ops_details()]


def _run_tflite(model: Path, inputs: Tensor) -> Tensor:
    interpreter = _interpreter(model)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for one in inputs.permute(0, 2, 3, 1).numpy():
        interpreter.set_tensor(source["index"], np.ascontiguousarray(one[np.newaxis]))
        interpreter.invoke()
        outputs.append(torch.from_numpy(interpreter.get_tensor(target["index"])))
    output = torch.cat(outputs)
    return output.permute(0, 3, 1, 2) if output.ndim == 4 else output


def _run_onnx(model: Path, inputs: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    return torch.cat([torch.from_numpy(session.run(None, {"input": one[None].numpy()})[0]) for one in inputs])


def _interpreter(model: Path) -> Interpreter:
    # XNNPACK would replace the operators in the list by one DELEGATE.
    interpreter = Interpreter(
        model_path=str(model),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter
