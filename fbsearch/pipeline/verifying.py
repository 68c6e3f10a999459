"""Verify: a model file is compared with its network, classifies the test images, and is measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fbsearch.data import DataSplits, ImageSet, Loader
from fbsearch.devices import RUNTIME_FORMATS, Measurement, Runner, RuntimeName, Session, find_device
from fbsearch.errors import CheckpointError, ExportError
from fbsearch.export import ConversionCache, Sidecar, agreement, convert_operators, format_of, read_sidecar
from fbsearch.files import read_json, write_json
from fbsearch.latency.networks import measure_models
from fbsearch.latency.profiling import SENTINEL
from fbsearch.nn import Network, load_network
from fbsearch.pipeline.folder import RunPaths, require
from fbsearch.pipeline.inputs import InputRecord, check_classes
from fbsearch.pipeline.recipe import DeviceSettings, ProfileSettings, VerifySettings

_RUNTIMES: dict[str, RuntimeName] = {"tflite": "tflite", "onnx": "onnxruntime"}


@dataclass(frozen=True)
class Verification:
    """The check of an exported model on a device; ``verification.json``.

    Args:
        model: the file.
        device: its processor or phone.
        runtime: that ran the model.
        runtime_version: of its package.
        threads: within one operator.
        budget_ms: the budget, or None where there is none.
        predicted_ms: from the latency table, or None without one.
        measured_ms: median of the rounds' medians.
        measured_p95_ms: of all invocations.
        keeps_budget: whether measured is at most the budget, or None without one.
        is_converged: whether the measurement's confidence interval is as narrow as asked.
        test_accuracy: of the model on the device.
        torch_test_accuracy: of the network on the same images.
        top1_agreement: share of images on which both choose the same class.
        max_abs_diff: largest difference between their logits.
        num_samples: test images compared.
        size_bytes: of the file.
        rounds_us: raw latencies.
    """

    model: str
    device: str
    runtime: str
    runtime_version: str
    threads: int
    budget_ms: float | None
    predicted_ms: float | None
    measured_ms: float
    measured_p95_ms: float
    keeps_budget: bool | None
    is_converged: bool
    test_accuracy: float
    torch_test_accuracy: float
    top1_agreement: float
    max_abs_diff: float
    num_samples: int
    size_bytes: int
    rounds_us: tuple[tuple[float, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def run_verification(
    model: Path,
    *,
    paths: RunPaths,
    device: DeviceSettings,
    profile: ProfileSettings,
    settings: VerifySettings,
    data: DataSplits | None,
    budget_ms: float | None,
    seed: int,
) -> Verification:
    """Check ``model`` against the network of its run, and measure it.

    Args:
        model: a model file with its sidecar.
        paths: the run with its network.
        device: where to run it.
        profile: the measurement protocol.
        settings: how much to compare, and how exactly.
        data: test images; None loads those that the run was trained on.
        budget_ms: the budget; None takes the run's.
        seed: of the measurement's order.

    Raises:
        ExportError: if the model is not its sidecar's, or disagrees with its network.
        CheckpointError: if the run's folder lacks the network.
        MeasurementError: if the model does not run on the device.
    """
    sidecar = read_sidecar(model)
    network = load_network(
        require(paths.architecture, "fbsearch search"), require(paths.weights, "fbsearch train")
    )
    if data is None:
        data = InputRecord.load(paths.inputs).load_data()
    check_classes(network.architecture.num_classes, data.num_classes)
    runner = find_device(device.name).runner(
        _runtime_of(model, device), threads=device.threads, precision=device.precision
    )
    session = runner.open(model)
    try:
        compared = _compare(session, network, data.test, sidecar, settings)
    finally:
        session.close()
    sentinel = convert_operators([SENTINEL], format_of(model), ConversionCache(), jobs=1)[SENTINEL]
    [measurement] = measure_models(
        [model], runner, sentinel=sentinel, protocol=profile.protocol, rng=np.random.default_rng(seed)
    )
    known = run_latencies(paths)
    return _verification(
        model,
        device.name,
        runner,
        measurement,
        compared,
        budget_ms=known["budget_ms"] if budget_ms is None else budget_ms,
        predicted_ms=known["predicted_ms"],
    )


def run_latencies(paths: RunPaths) -> dict[str, float | None]:
    """``budget_ms`` and ``predicted_ms`` of a run's search, None where it had none.

    Raises:
        CheckpointError: if the search's result is damaged.
    """
    if not paths.search_result.exists():
        return {"budget_ms": None, "predicted_ms": None}
    try:
        result = read_json(paths.search_result)
        winner = result["finalists"][result["chosen"]]
        return {"budget_ms": result["budget_us"] / 1000, "predicted_ms": winner["predicted_us"] / 1000}
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"{paths.search_result}: damaged ({error!r}); search again") from None


def save_verification(verification: Verification, paths: RunPaths) -> None:
    """Write ``verification.json``."""
    write_json(paths.verification, verification.to_dict())


def load_verification(paths: RunPaths) -> Verification:
    """The verification of a run.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    path = require(paths.verification, "fbsearch verify")
    try:
        return Verification(**read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged ({error!r}); verify again") from None


@dataclass(frozen=True)
class _Compared:
    test_accuracy: float
    torch_test_accuracy: float
    top1_agreement: float
    max_abs_diff: float
    num_samples: int


def _compare(
    session: Session, network: Network, images: ImageSet, sidecar: Sidecar, settings: VerifySettings
) -> _Compared:
    """Run the network and the model on the same test images."""
    if settings.num_samples is not None and settings.num_samples < len(images):
        images = images.subset(np.arange(settings.num_samples))
    inputs, labels, reference = _reference(network, images, sidecar)
    if sidecar.preprocessing.layout == "NHWC":
        inputs = inputs.transpose(0, 2, 3, 1)
    outputs = session.run(np.ascontiguousarray(inputs))
    agreed = agreement(reference, outputs)
    if not agreed.max_abs_diff <= settings.max_abs_diff:
        raise ExportError(
            "the exported model disagrees with its network: logits differ by up to "
            f"{agreed.max_abs_diff:.3g} (allowed {settings.max_abs_diff:g}) and the top class agrees on "
            f"{agreed.top1_agreement:.2%} of {agreed.num_samples} test images; export it again"
        )
    return _Compared(
        test_accuracy=float((outputs.argmax(1) == labels).mean()),
        torch_test_accuracy=float((reference.argmax(1) == labels).mean()),
        top1_agreement=agreed.top1_agreement,
        max_abs_diff=agreed.max_abs_diff,
        num_samples=agreed.num_samples,
    )


def _reference(
    network: Network, images: ImageSet, sidecar: Sidecar
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Preprocessed inputs ``N x C x H x W``, labels ``N``, and the network's logits ``N x classes``."""
    preprocessing = sidecar.preprocessing
    loader = Loader(images, batch_size=64, mean=preprocessing.mean, std=preprocessing.std)
    inputs, labels, logits = [], [], []
    with torch.inference_mode():
        for batch, target in loader.epoch(0):
            inputs.append(batch.contiguous().numpy())
            labels.append(target.numpy())
            logits.append(network(batch).numpy())
    return np.concatenate(inputs), np.concatenate(labels), np.concatenate(logits)


def _runtime_of(model: Path, device: DeviceSettings) -> RuntimeName:
    """The runtime of the device settings if it reads the model's format, else the one that does."""
    model_format = format_of(model)
    return device.runtime if RUNTIME_FORMATS[device.runtime] == model_format else _RUNTIMES[model_format]


def _verification(
    model: Path,
    device: str,
    runner: Runner,
    measurement: Measurement,
    compared: _Compared,
    *,
    budget_ms: float | None,
    predicted_ms: float | None,
) -> Verification:
    measured_ms = measurement.latency_us / 1000
    description = find_device(device).describe()
    return Verification(
        model=model.name,
        device=description.model or description.name,
        runtime=runner.description.name,
        runtime_version=f"{runner.description.package} {runner.description.version}",
        threads=runner.description.threads,
        budget_ms=budget_ms,
        predicted_ms=predicted_ms,
        measured_ms=measured_ms,
        measured_p95_ms=measurement.p95_us / 1000,
        keeps_budget=None if budget_ms is None else measured_ms <= budget_ms,
        is_converged=measurement.is_converged,
        size_bytes=model.stat().st_size,
        rounds_us=measurement.rounds_us,
        **asdict(compared),
    )
