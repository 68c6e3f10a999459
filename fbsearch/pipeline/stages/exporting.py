"""Export: trained weights in, a model file and its sidecar out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from fbsearch.data import DataSplits
from fbsearch.errors import ExportError
from fbsearch.export import (
    FineTuning,
    ModelFormat,
    Sidecar,
    convert_precision,
    export_model,
    format_of,
    write_sidecar,
)
from fbsearch.export.sidecar import Layout
from fbsearch.files import atomic_path
from fbsearch.nn import Network, load_network
from fbsearch.pipeline.recipe import FinetuneSettings
from fbsearch.pipeline.stages.finetuning import Finetuner, check_finetuning, finetuning_folder
from fbsearch.pipeline.stages.inputs import calibration_inputs, load_recorded, preprocessing_of
from fbsearch.precision import Precision
from fbsearch.records import InputRecord, RunPaths, read_record, require

LAYOUTS: Mapping[ModelFormat, Layout] = {"tflite": "NHWC", "onnx": "NCHW"}

NO_FINETUNING = FinetuneSettings(epochs=0)
"""No fine-tuning, and no look at the accuracy."""


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
    finetune: FinetuneSettings = NO_FINETUNING,
    data: DataSplits | None = None,
    progress: bool = False,
    notify: Callable[[str], None] = lambda line: None,
) -> Sidecar:
    """Write ``model`` (its suffix names the format) and its sidecar from a run's trained network.

    Args:
        source: a run's folder, or a weights file within one.
        model: the file to write.
        precision: of the file.
        calibration_images: training images from which int8 takes the ranges of activations.
        finetune: when and how an integer model that loses accuracy is fine-tuned.
        data: of the training; None loads them, where they are needed.
        progress: show that of a fine-tuning.
        notify: told in one line what became of it.

    Raises:
        InvalidInputError: if the precision cannot be fine-tuned, and ``finetune`` asks for it.
        CheckpointError: if the run lacks something or its weights do not fit.
        DataError: if the images cannot be loaded.
        ExportError: if the network cannot be converted.
    """
    check_finetuning(finetune, precision)
    model_format = format_of(model)
    paths = find_run(source)
    weights = paths.weights if source.is_dir() else source
    network = load_network(paths.architecture, weights)
    inputs = read_record(paths.inputs, InputRecord)
    preprocessing = preprocessing_of(inputs, LAYOUTS[model_format])
    images = np.zeros((0, *_input_shape(network)), np.float32)
    if precision == "int8":
        data = data or load_recorded(inputs)
        images = calibration_inputs(data.train, preprocessing, count=calibration_images, seed=inputs.seed)
    export = partial(_export, precision=precision, images=images)
    finetuning: FineTuning | None = None
    if finetune.epochs:
        finetuner = Finetuner(
            settings=finetune,
            precision=precision,
            calibration=images,
            preprocessing=preprocessing,
            data=data or load_recorded(inputs),
            paths=paths,
            folder=finetuning_folder(model),
            seed=inputs.seed,
            progress=progress,
            notify=notify,
        )
        finetuning = _export_improved(network, model, export, finetuner)
    else:
        export(network, model)
    return write_sidecar(
        model,
        preprocessing,
        architecture=network.architecture.name,
        precision=precision,
        num_calibration_images=len(images),
        finetuning=finetuning,
    )


def _export_improved(
    network: Network, model: Path, export: Callable[[Network, Path], None], finetuner: Finetuner
) -> FineTuning | None:
    """Export, fine-tune if need be, and only then put the better file in its place."""
    with TemporaryDirectory() as folder:
        exported = Path(folder) / model.name
        export(network, exported)
        finetuning = finetuner.improve(exported, network, export)
        try:
            with atomic_path(model) as temporary:
                shutil.copyfile(exported, temporary)
        except OSError as error:
            raise ExportError(f"{model}: the model cannot be written: {error}") from error
    return finetuning


def _export(network: Network, model: Path, *, precision: Precision, images: NDArray[np.float32]) -> None:
    shape = _input_shape(network)
    if precision == "fp32":
        export_model(network, [shape], model)
        return
    with TemporaryDirectory() as folder:
        exported = Path(folder) / f"float{model.suffix}"
        export_model(network, [shape], exported)
        convert_precision(exported, precision, [images], model)


def _input_shape(network: Network) -> tuple[int, ...]:
    return network.architecture.input.dimensions
