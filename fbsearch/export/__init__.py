"""Networks as model files that devices run: TFLite and ONNX, with what a user of the file must know."""

from fbsearch.export.agreement import Agreement, agreement
from fbsearch.export.cache import ConversionCache
from fbsearch.export.formats import ModelFormat, export_model, format_of
from fbsearch.export.onnx import export_onnx
from fbsearch.export.operators import conversions, convert_operators
from fbsearch.export.parallel import in_processes
from fbsearch.export.precisions import WEIGHT_LEVELS, convert_precision, precision_path, random_inputs
from fbsearch.export.sidecar import (
    FineTuning,
    Preprocessing,
    Sidecar,
    parse_finetuning,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from fbsearch.export.tflite import export_tflite

__all__ = [
    "WEIGHT_LEVELS",
    "Agreement",
    "ConversionCache",
    "FineTuning",
    "ModelFormat",
    "Preprocessing",
    "Sidecar",
    "agreement",
    "conversions",
    "convert_operators",
    "convert_precision",
    "export_model",
    "export_onnx",
    "export_tflite",
    "format_of",
    "in_processes",
    "parse_finetuning",
    "precision_path",
    "random_inputs",
    "read_sidecar",
    "sidecar_path",
    "write_sidecar",
]
