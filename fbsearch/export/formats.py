"""The formats of model files, and the exporter of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from torch import nn

from fbsearch.errors import ExportError
from fbsearch.export.onnx import export_onnx
from fbsearch.export.tflite import export_tflite

ModelFormat = Literal["tflite", "onnx"]

MODEL_FORMATS: tuple[ModelFormat, ...] = get_args(ModelFormat)

_EXPORTERS: dict[ModelFormat, Callable[[nn.Module, Sequence[tuple[int, ...]], Path], None]] = {
    "tflite": export_tflite,
    "onnx": export_onnx,
}


def format_of(path: Path) -> ModelFormat:
    """The format that a model file's suffix stands for.

    >>> format_of(Path("model.tflite"))
    'tflite'

    Raises:
        ExportError: if the suffix stands for none.
    """
    for model_format in MODEL_FORMATS:
        if path.suffix == f".{model_format}":
            return model_format
    allowed = " or ".join(f".{model_format}" for model_format in MODEL_FORMATS)
    raise ExportError(f"{path}: a model file ends in {allowed}, not {path.suffix or 'no suffix'!r}")


def export_model(module: nn.Module, input_shapes: Sequence[tuple[int, ...]], path: Path) -> None:
    """Convert ``module`` to the format of ``path``'s suffix.

    Args:
        module: a network or block with one output; it stays as it is.
        input_shapes: C, H, W of each input.
        path: the file to write, ``.tflite`` or ``.onnx``.

    Raises:
        ExportError: if the suffix is unknown, or the module cannot be converted or written.
    """
    _EXPORTERS[format_of(path)](module, input_shapes, path)
