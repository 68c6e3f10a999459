"""ONNX in fp16 and int8: weights as fp16 by a few lines of our own, int8 by ONNX Runtime's quantiser.

In int8, weights keep to 7 of the 8 bits: without VNNI, an x86 processor adds two products in 16 bits, which
8-bit weights overflow without a word (a convolution was off by a third in place of 1 %).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fbsearch.errors import DependencyError
from fbsearch.export.preparation import conversion_errors
from fbsearch.export.quiet import quiet
from fbsearch.files import atomic_path
from fbsearch.precision import Precision


def quantise_onnx(
    model: Path, precision: Precision, inputs: Sequence[NDArray[np.float32]], out: Path
) -> None:
    """Write a float ``.onnx`` file in another precision; weights are int8 per output channel.

    Args:
        model: the float file.
        precision: any but fp32.
        inputs: ``N x C x H x W`` for each input, for the ranges of int8's activations.
        out: the file to write, atomically.

    Raises:
        ExportError: if the model cannot be read, quantised or written, or ONNX Runtime is not installed.
    """
    import onnx  # takes a while, which only converting needs

    with conversion_errors(f"{precision} ONNX"), quiet(), atomic_path(out) as temporary:
        content = onnx.load_model(model)
        if precision == "fp16":
            _halve_weights(content)
            onnx.save_model(content, temporary)
            return
        # The quantiser infers shapes anew; those of a Gemm's weights, which it turns, would contradict it.
        del content.graph.value_info[:]
        if precision == "dynamic_int8":
            _quantise_dynamically(content, temporary)
        else:
            _quantise_statically(content, inputs, temporary)


def _halve_weights(content: Any) -> None:
    """Keep every float weight as fp16 and cast it when the model is loaded: it computes in fp32.

    ONNX Runtime's processors have no fp16 convolution; a model all in fp16 would be cast to and fro.
    """
    import onnx  # likewise

    graph, casts = content.graph, []
    for weight in graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            name, values = weight.name, onnx.numpy_helper.to_array(weight)
            weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}_fp16"], [name], to=onnx.TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        graph.node.insert(position, cast)


def _quantise_dynamically(content: Any, path: Path) -> None:
    """Weights in advance; activations as they come, by the range of each."""
    quantiser = _quantiser()
    quantiser.quantize_dynamic(
        content, path, per_channel=True, reduce_range=True, weight_type=quantiser.QuantType.QInt8
    )


def _quantise_statically(content: Any, inputs: Sequence[NDArray[np.float32]], path: Path) -> None:
    """Weights and activations in advance, in QDQ form."""
    quantiser = _quantiser()

    class Inputs(quantiser.CalibrationDataReader):  # type: ignore[misc, name-defined]  # imported when used
        """One input at a time, as the quantiser asks for them."""

        def __init__(self) -> None:
            self._left = zip(*inputs, strict=True)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            images = next(self._left, None)
            if images is None:
                return None
            pairs = zip(content.graph.input, images, strict=True)
            return {one.name: image[np.newaxis] for one, image in pairs}

    quantiser.quantize_static(
        content,
        path,
        Inputs(),
        quant_format=quantiser.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=quantiser.QuantType.QUInt8,
        weight_type=quantiser.QuantType.QInt8,
    )


def _quantiser() -> ModuleType:
    try:
        return importlib.import_module("onnxruntime.quantization")
    except ImportError as error:
        raise DependencyError(f"ONNX in int8 needs onnxruntime (pip install onnxruntime): {error}") from error
