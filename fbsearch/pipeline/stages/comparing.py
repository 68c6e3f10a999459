"""A model file on the same images as its network: what it classifies, and how well it agrees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fbsearch.data import ImageSet, Loader
from fbsearch.devices import LocalDevice, Runner, RunnerApart
from fbsearch.errors import ExportError
from fbsearch.export import Agreement, Sidecar, agreement
from fbsearch.nn import Network, load_network
from fbsearch.pipeline.recipe import VerifySettings
from fbsearch.records import AgreementBounds, RunPaths, require
from fbsearch.train import evaluate


@dataclass(frozen=True)
class Compared:
    """Fields of a :class:`~fbsearch.records.Verification`, which tells them."""

    test_accuracy: float
    fp32_test_accuracy: float
    top1_agreement: float
    max_abs_diff: float
    num_samples: int
    num_device_samples: int
    device_max_abs_diff: float | None
    asked_agreement: AgreementBounds


def compare(
    model: Path,
    runner: Runner,
    network: Network,
    images: ImageSet,
    sidecar: Sidecar,
    settings: VerifySettings,
) -> Compared:
    """Run the network and the model on the same test images.

    Args:
        model: the file.
        runner: of the device.
        network: that the model was made from.
        images: for testing.
        sidecar: of the model.
        settings: how much to compare, and how exactly.

    Raises:
        ExportError: if they disagree.
        MeasurementError: if the model does not run.
    """
    bounds = bounds_of(sidecar, settings)
    if settings.num_samples is not None and settings.num_samples < len(images):
        images = images.subset(np.arange(settings.num_samples))
    inputs, labels, reference = _reference(network, images, sidecar)
    if sidecar.preprocessing.layout == "NHWC":
        inputs = inputs.transpose(0, 2, 3, 1)
    inputs = np.ascontiguousarray(inputs)
    outputs = _outputs(model, _here(runner), inputs)
    agreed = agreement(reference, outputs)
    check_agreement(agreed, sidecar, bounds, "the exported model")
    num_device_samples, on_device = len(inputs), agreed
    if runner.is_elsewhere:
        num_device_samples = min(settings.num_device_samples, len(inputs))
        if num_device_samples:
            some = slice(num_device_samples)
            on_device = agreement(reference[some], _outputs(model, runner, inputs[some]))
            check_agreement(on_device, sidecar, bounds, "the model on the device")
    fp32_test_accuracy = float((reference.argmax(1) == labels).mean())
    return Compared(
        num_device_samples=num_device_samples,
        device_max_abs_diff=on_device.max_abs_diff if num_device_samples else None,
        test_accuracy=float((outputs.argmax(1) == labels).mean()),
        fp32_test_accuracy=fp32_test_accuracy,
        top1_agreement=agreed.top1_agreement,
        max_abs_diff=agreed.max_abs_diff,
        num_samples=agreed.num_samples,
        asked_agreement=bounds,
    )


def before_finetuning(compared: Compared, paths: RunPaths, images: ImageSet, sidecar: Sidecar) -> Compared:
    """With the accuracy of the trained network, from which the fine-tuned one began."""
    network = load_network(paths.architecture, require(paths.weights, "fbsearch train"))
    preprocessing = sidecar.preprocessing
    some = images.subset(np.arange(compared.num_samples))
    loader = Loader(some, batch_size=64, mean=preprocessing.mean, std=preprocessing.std)
    accuracy = evaluate(network, loader).top1
    return replace(compared, fp32_test_accuracy=accuracy)


def _outputs(model: Path, runner: Runner, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the model, as the runner computes them."""
    with runner.measuring():
        session = runner.open(model)
        try:
            return session.run(inputs)
        finally:
            session.close()


def _here(runner: Runner) -> Runner:
    """The runner itself, or this computer's of the same format, models apart, for one elsewhere."""
    if not runner.is_elsewhere:
        return runner
    return RunnerApart(LocalDevice().runner(runner.description.name, threads=1))


def bounds_of(sidecar: Sidecar, settings: VerifySettings) -> AgreementBounds:
    """How exactly a model has to agree with its network."""
    return AgreementBounds.of(
        sidecar.precision,
        min_top1_agreement=settings.min_top1_agreement,
        max_abs_diff=settings.max_abs_diff,
    )


def check_agreement(agreed: Agreement, sidecar: Sidecar, bounds: AgreementBounds, what: str) -> None:
    """Refuse a model that is not its network's.

    Raises:
        ExportError: saying how far they are apart, and what to do.
    """
    if not bounds.allow_difference(agreed.max_abs_diff):
        raise ExportError(
            f"{what} disagrees with its network: logits differ by up to {agreed.max_abs_diff:.3g} "
            f"(allowed {bounds.max_abs_diff:g}) and the top class agrees on "
            f"{agreed.top1_agreement:.2%} of {agreed.num_samples} test images; export it again, or see what "
            "runs it (a GPU computes in half precision: --set max_abs_diff=…)"
        )
    if not bounds.allow_classes(agreed.top1_agreement, agreed.num_samples):
        calibrated = sidecar.num_calibration_images
        advice = f"calibrate with more than {calibrated} images, or " if calibrated else ""
        raise ExportError(
            f"{what} in {sidecar.precision} disagrees with its network: the top class agrees on "
            f"{agreed.top1_agreement:.2%} of {agreed.num_samples} test images, and at least "
            f"{bounds.min_top1_agreement:.2%} is asked for: {advice}export it in another precision, or "
            "allow less (--set min_top1_agreement=…)"
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
