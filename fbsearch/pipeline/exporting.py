"""Export: trained weights in, a model file and its sidecar out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from fbsearch.data import DataSplits
from fbsearch.export import Sidecar, convert_precision, export_model, format_of, write_sidecar
from fbsearch.nn import Network, load_network
from fbsearch.pipeline.folder import RunPaths, require
from fbsearch.pipeline.inputs import InputRecord, calibration_inputs
from fbsearch.precision import Precision

LAYOUTS = {"tflite": "NHWC", "onnx": "NCHW"}


def find_run(source: Path) -> RunPaths:
    """The run's files of a folder, or of a weights file within it.

    Raises:
        CheckpointError: if the folder lacks what an export needs.
    """
    paths = RunPaths(source if source.is_dir() else source.parent)
    require(paths.architecture, "fbsearch search")
    for path in (paths.weights, paths.inputs):
        require(path, "fbsearch train")
    return paths


def run_export(
    source: Path,
    model: Path,
    *,
    precision: Precision = "fp32",
    calibration_images: int = 128,
    data: DataSplits | None = None,
) -> Sidecar:
    """Write ``model`` (its suffix names the format) and its sidecar from a run's trained network.

    Args:
        source: a run's folder, or a weights file within one.
        model: the file to write.
        precision: of the file.
        calibration_images: training images from which int8 takes the ranges of activations.
        data: that holds them; None loads what the run was trained on, for int8.

    Raises:
        CheckpointError: if the run lacks something or its weights do not fit.
        DataError: if the calibration images cannot be loaded.
        ExportError: if the network cannot be converted.
    """
    model_format = format_of(model)
    paths = find_run(source)
    weights = paths.weights if source.is_dir() else source
    network = load_network(paths.architecture, weights)
    inputs = InputRecord.load(paths.inputs)
    preprocessing = inputs.preprocessing(LAYOUTS[model_format])
    images = np.zeros((0, *_input_shape(network)), np.float32)
    if precision == "int8":
        images = calibration_inputs(
            (data or inputs.load_data()).train, preprocessing, count=calibration_images, seed=inputs.seed
        )
    _export(network, precision, images, model)
    return write_sidecar(
        model,
        preprocessing,
        architecture=network.architecture.name,
        precision=precision,
        num_calibration_images=len(images),
    )


def _export(network: Network, precision: Precision, images: NDArray[np.float32], model: Path) -> None:
    shape = _input_shape(network)
    if precision == "fp32":
        export_model(network, shape, model)
        return
    with TemporaryDirectory() as folder:
        exported = Path(folder) / f"float{model.suffix}"
        export_model(network, shape, exported)
        convert_precision(exported, precision, images, model)


def _input_shape(network: Network) -> tuple[int, int, int]:
    architecture = network.architecture
    return architecture.in_channels, architecture.resolution, architecture.resolution
