"""A float model file → the same model in another precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fbsearch.errors import ExportError
from fbsearch.export.formats import ModelFormat, format_of
from fbsearch.export.onnx_precisions import quantise_onnx
from fbsearch.export.tflite_precisions import quantise_tflite
from fbsearch.precision import Precision

FloatArray = NDArray[np.float32]

_QUANTISERS: dict[ModelFormat, Callable[[Path, Precision, Sequence[FloatArray], Path], None]] = {
    "tflite": quantise_tflite,
    "onnx": quantise_onnx,
}

WEIGHT_LEVELS: dict[ModelFormat, int] = {"tflite": 127, "onnx": 64}
"""Steps from 0 to a channel's largest weight in int8; 7 bits in ONNX, see
:mod:`fbsearch.export.onnx_precisions`."""

_RANDOM_INPUTS = 4
"""What latency takes: it does not depend on the values, so a few suffice to set every scale."""


def convert_precision(model: Path, precision: Precision, inputs: Sequence[FloatArray], out: Path) -> None:
    """Write ``model``, which computes in fp32, as a file of another precision.

    Whatever the precision, the file takes and gives float32, so that it is fed as the float model is.

    Args:
        model: a ``.tflite`` or ``.onnx`` file.
        precision: any but fp32.
        inputs: ``N x C x H x W`` for each of the model's inputs, preprocessed: int8 takes the ranges of
            activations from them; the other precisions do not look at them.
        out: the file to write, atomically; of the same format.

    Raises:
        ExportError: if the formats differ, the model cannot be read, quantised or written, or the format's
            quantiser is not installed.
    """
    assert precision != "fp32", "a float model is exported, not quantised"
    if format_of(model) != format_of(out):
        raise ExportError(f"{out}: {model.name} stays a .{format_of(model)} file in every precision")
    _QUANTISERS[format_of(model)](model, precision, inputs, out)


def precision_path(model: Path, precision: Precision) -> Path:
    """The name of a model file in a precision: said before the suffix, but for fp32's.

    >>> precision_path(Path("model.tflite"), "int8").name
    'model.int8.tflite'
    >>> precision_path(Path("model.int8.tflite"), "int8").name
    'model.int8.tflite'
    """
    if precision == "fp32" or model.suffixes[-2:-1] == [f".{precision}"]:
        return model
    return model.with_name(f"{model.stem}.{precision}{model.suffix}")


def random_inputs(input_shape: tuple[int, ...]) -> FloatArray:
    """A few inputs ``N x C x H x W`` of standard-normal values, always the same, for models without data."""
    return np.random.default_rng(0).standard_normal((_RANDOM_INPUTS, *input_shape), dtype=np.float32)
