"""Export: trained weights in, a model file and its sidecar out."""

from __future__ import annotations

from pathlib import Path

from fbsearch.export import Sidecar, export_model, format_of, write_sidecar
from fbsearch.nn import load_network
from fbsearch.pipeline.folder import RunPaths, require
from fbsearch.pipeline.inputs import InputRecord

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


def run_export(source: Path, model: Path) -> Sidecar:
    """Write ``model`` (its suffix names the format) and its sidecar from a run's trained network.

    Args:
        source: a run's folder, or a weights file within one.
        model: the file to write.

    Raises:
        CheckpointError: if the run lacks something or its weights do not fit.
        ExportError: if the network cannot be converted.
    """
    model_format = format_of(model)
    paths = find_run(source)
    weights = paths.weights if source.is_dir() else source
    network = load_network(paths.architecture, weights)
    architecture = network.architecture
    size = architecture.resolution
    export_model(network, (architecture.in_channels, size, size), model)
    preprocessing = InputRecord.load(paths.inputs).preprocessing(LAYOUTS[model_format])
    return write_sidecar(model, preprocessing, architecture=architecture.name)
