"""TFLite in fp16 and int8, by ai-edge-quantizer."""

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


def quantise_tflite(
    model: Path, precision: Precision, inputs: Sequence[NDArray[np.float32]], out: Path
) -> None:
    """Write a float ``.tflite`` file in another precision; weights are int8 per output channel.

    Args:
        model: the float file.
        precision: any but fp32.
        inputs: ``N x C x H x W`` for each input, for the ranges of int8's activations.
        out: the file to write, atomically.

    Raises:
        ExportError: if the model cannot be read, quantised or written, or ai-edge-quantizer is not installed.
    """
    with conversion_errors(f"{precision} TFLite"), quiet():
        recipes, content = _recipe(precision), model.read_bytes()
        ranges = _ranges(content, recipes, inputs) if recipes.need_calibration() else None
        quantizer = _part("quantizer").Quantizer(content, recipes.get_quantization_recipe())
        result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        with atomic_path(out) as temporary:
            temporary.write_bytes(result.quantized_model)


def _recipe(precision: Precision) -> Any:
    """The quantiser's own record of what becomes of which operator."""
    parts = _part("recipe")
    manager, everything = _part("recipe_manager").RecipeManager(), parts.TFLOperationName.ALL_SUPPORTED
    if precision == "fp16":
        manager.add_weight_only_config(".*", everything, 16, algorithm_key=parts.AlgorithmName.FLOAT_CASTING)
    elif precision == "dynamic_int8":
        manager.add_dynamic_config(".*", everything, 8)
    else:
        manager.add_static_config(".*", everything, activation_num_bits=8, weight_num_bits=8)
        for border in (parts.TFLOperationName.INPUT, parts.TFLOperationName.OUTPUT):
            manager.add_quantization_config(".*", border, algorithm_key=parts.AlgorithmName.NO_QUANTIZE)
    return manager


def _ranges(content: bytes, recipes: Any, inputs: Sequence[NDArray[np.float32]]) -> Any:
    """The least and greatest value of every tensor over all inputs.

    The quantiser's own way is a moving average over the inputs: too narrow for values that few of them
    reach, which int8 then clips (blocks with random weights were off by 10 to 30 % in place of 1 to 2 %).
    """
    calibrator = _part("calibrator").Calibrator(
        content, num_threads=1, qsv_update_func=_part("utils.qsv_utils").min_max_update
    )
    [(signature, names)] = calibrator.get_signature_list().items()
    turned = [np.ascontiguousarray(one.transpose(0, 2, 3, 1)) for one in inputs]
    samples = [
        {name: image[np.newaxis] for name, image in zip(names["inputs"], images, strict=True)}
        for images in zip(*turned, strict=True)
    ]
    calibrator.calibrate({signature: samples}, recipes)
    return calibrator.get_model_qsvs()


def _part(name: str) -> ModuleType:
    """A module of the quantiser, imported at first use."""
    try:
        return importlib.import_module(f"ai_edge_quantizer.{name}")
    except ImportError as error:
        raise DependencyError(
            "TFLite in fp16 and int8 needs ai-edge-quantizer (pip install 'ai-edge-quantizer==0.10.*'): "
            f"{error}"
        ) from error
