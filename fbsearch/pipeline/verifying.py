"""Verify: a model file is compared with its network, classifies the test images, and is measured."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fbsearch.data import DataSplits, ImageSet, Loader
from fbsearch.devices import (
    FORMAT_RUNTIMES,
    RUNTIME_FORMATS,
    Device,
    LocalDevice,
    Measurement,
    MeasurementLog,
    MeasurementProtocol,
    Runner,
    RuntimeName,
)
from fbsearch.errors import CheckpointError, ExportError, TableMismatchError
from fbsearch.export import (
    Agreement,
    ConversionCache,
    FineTuning,
    Sidecar,
    agreement,
    convert_operators,
    format_of,
    parse_finetuning,
    read_sidecar,
)
from fbsearch.files import read_json, write_json
from fbsearch.latency import LatencyTable
from fbsearch.latency.networks import measure_models
from fbsearch.latency.sentinel import SENTINEL
from fbsearch.nn import Network, load_network
from fbsearch.pipeline.budgets import BudgetCheck, check_budgets
from fbsearch.pipeline.finetuning import network_of
from fbsearch.pipeline.folder import RunPaths, require
from fbsearch.pipeline.inputs import InputRecord, check_classes
from fbsearch.pipeline.recipe import DeviceSettings, VerifySettings
from fbsearch.pipeline.several_devices import OTHER_LATENCY
from fbsearch.precision import Precision
from fbsearch.train import evaluate


@dataclass(frozen=True)
class Verification:
    """The check of an exported model on a device; ``verification.json``.

    Args:
        model: the file.
        device: its processor or phone.
        runtime: that ran the model.
        runtime_version: of its package.
        threads: within one operator.
        precision: of the model.
        budget_ms: the budget, or None where there is none.
        predicted_ms: from the latency table, or None without one of the model's precision.
        measured_ms: median of the rounds' medians.
        measured_p95_ms: of all invocations.
        keeps_budget: whether measured is at most the budget, or None without one.
        is_converged: whether the measurement's confidence interval is as narrow as asked.
        is_steady: False where the device was slower throughout than when its table was measured, or busy.
        test_accuracy: of the model on the device.
        fp32_test_accuracy: of the trained network on the same images, in fp32: before any quantisation.
        torch_test_accuracy: the same number, by its older name.
        top1_agreement: share of images on which the model and the network that it was made from, the
            fine-tuned one if there is one, choose the same class.
        max_abs_diff: largest difference between their logits.
        num_samples: test images compared.
        num_device_samples: of them, those computed on the device itself; the others by this computer's
            interpreter of the same format.
        device_max_abs_diff: largest difference between the device's logits and the network's, or None where
            the device computed none.
        file_size_bytes: of the file.
        size_bytes: the same number, by its older name.
        rounds_us: raw latencies.
        budgets: those beside the latency's, and whether the model keeps them.
        finetuning: what one at the export came to, or None.
    """

    model: str
    device: str
    runtime: str
    runtime_version: str
    threads: int
    precision: Precision
    budget_ms: float | None
    predicted_ms: float | None
    measured_ms: float
    measured_p95_ms: float
    keeps_budget: bool | None
    is_converged: bool
    is_steady: bool
    test_accuracy: float
    fp32_test_accuracy: float
    torch_test_accuracy: float
    top1_agreement: float
    max_abs_diff: float
    num_samples: int
    num_device_samples: int
    device_max_abs_diff: float | None
    file_size_bytes: int
    size_bytes: int
    rounds_us: tuple[tuple[float, ...], ...]
    budgets: tuple[BudgetCheck, ...] = ()
    finetuning: FineTuning | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def run_verification(
    model: Path,
    *,
    paths: RunPaths,
    device: Device,
    device_settings: DeviceSettings,
    protocol: MeasurementProtocol,
    settings: VerifySettings,
    data: DataSplits | None,
    budget_ms: float | None,
    seed: int,
    number: int = 1,
) -> Verification:
    """Check ``model`` against the network of its run, and measure it.

    Args:
        model: a model file with its sidecar.
        paths: the run with its network.
        device: where to run it.
        device_settings: runtime and threads; the precision is the model's own.
        protocol: of the measurement.
        settings: how much to compare, and how exactly.
        data: test images; None loads those that the run was trained on.
        budget_ms: the budget; None takes the run's.
        seed: of the measurement's order.
        number: of the run's device that this is, from 1: whose table, prediction and budget count.

    Raises:
        ExportError: if the model is not its sidecar's, or disagrees with its network.
        CheckpointError: if the run's folder lacks the network.
        MeasurementError: if the model does not run on the device.
    """
    sidecar = read_sidecar(model)
    network = network_of(model, sidecar, paths)
    if data is None:
        data = InputRecord.load(paths.inputs).load_data()
    check_classes(network.architecture.num_classes, data.num_classes)
    runner = device.runner(
        _runtime_of(model, device_settings),
        threads=device_settings.threads,
        precision=sidecar.precision,
    )
    compared = _compare(model, runner, network, data.test, sidecar, settings)
    if sidecar.finetuning is not None and sidecar.finetuning.is_kept:
        compared = _before_finetuning(compared, paths, data.test, sidecar)
    [sentinel] = convert_operators(
        [SENTINEL], format_of(model), ConversionCache(), precision=sidecar.precision, jobs=1
    ).values()
    [measurement] = measure_models(
        [model],
        runner,
        sentinel=sentinel,
        protocol=protocol,
        rng=np.random.default_rng(seed),
        launches=paths.launches_of(number),
        log=MeasurementLog(reference_us=_reference_us(paths.table_of(number), device, runner)),
    )
    known = run_latencies(paths, number)
    is_of_this_precision = _table_precision(paths.table_of(number)) in (None, sidecar.precision)
    return _verification(
        model,
        device,
        runner,
        measurement,
        compared,
        budget_ms=known["budget_ms"] if budget_ms is None else budget_ms,
        predicted_ms=known["predicted_ms"] if is_of_this_precision else None,
        budgets=_other_budgets(paths, network, model) if number == 1 else (),
        finetuning=sidecar.finetuning,
    )


def _other_budgets(paths: RunPaths, network: Network, model: Path) -> tuple[BudgetCheck, ...]:
    """Those beside the first device's latency; what the model took on the others where it ran there."""
    others = [load_verification(paths, number) for number in paths.verified_devices() if number != 1]
    elsewhere_us = [1000 * one.measured_ms for one in others]
    return check_budgets(paths.search_result, network.architecture, model, elsewhere_us)


def _table_precision(table: Path) -> Precision | None:
    """What the run's predictions are of; None where it has no table."""
    return LatencyTable.load(table).runtime.precision if table.exists() else None


def _reference_us(path: Path, device: Device, runner: Runner) -> float | None:
    """The sentinel's latency when the run's table was measured, where that speaks for this device."""
    if not path.exists():
        return None
    table = LatencyTable.load(path)
    try:
        table.check_device(device.describe(), runner.description)
    except TableMismatchError:
        return None
    return table.sentinel.baseline_us


def run_latencies(paths: RunPaths, number: int = 1) -> dict[str, float | None]:
    """``budget_ms`` and ``predicted_ms`` of a run's search, None where it had none.

    Args:
        paths: of the run.
        number: of the device, from 1.

    Raises:
        CheckpointError: if the search's result is damaged.
    """
    if not paths.search_result.exists():
        return {"budget_ms": None, "predicted_ms": None}
    try:
        result = read_json(paths.search_result)
        winner = result["finalists"][result["chosen"]]
        if number == 1:
            return {"budget_ms": result["budget_us"] / 1000, "predicted_ms": winner["predicted_us"] / 1000}
        name, bound_us = list(_latency_bounds(result).items())[number - 2]
        return {"budget_ms": bound_us / 1000, "predicted_ms": winner["costs"][name] / 1000}
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"{paths.search_result}: damaged ({error!r}); search again") from None


def _latency_bounds(result: dict[str, Any]) -> dict[str, float]:
    """The budgets in a search's result on other devices' latencies, in the devices' order."""
    return {
        one["cost"]: float(one["bound"]) for one in result["budgets"] if one["cost"].startswith(OTHER_LATENCY)
    }


def save_verification(verification: Verification, paths: RunPaths, number: int = 1) -> None:
    """Write ``verification.json``, or that of another device by its number."""
    write_json(paths.verification_of(number), verification.to_dict())


def save_verification_of(model: Path, verification: Verification, paths: RunPaths) -> Path:
    """Write the verification of any model of a run's network; ``verification.json`` stays its own model's.

    The run's own model is the one that ``verification.json`` names: a run's last stage writes it, and without
    a run the first model that is verified takes its place. Another's goes to ``verification.MODEL.json``.

    Returns:
        The file.
    """
    path = paths.verification if _is_own(model, paths) else paths.other_verification(model.name)
    write_json(path, verification.to_dict())
    return path


def _is_own(model: Path, paths: RunPaths) -> bool:
    try:
        own = paths.root / load_verification(paths).model
    except CheckpointError:  # there is none, or a damaged one, which verifying again puts right
        return True
    return model.name == own.name and (not own.exists() or own.samefile(model))


def load_verification(paths: RunPaths, number: int = 1) -> Verification:
    """The verification of a run.

    Args:
        paths: of the run.
        number: of the device, from 1.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    path = require(paths.verification_of(number), "fbsearch verify")
    try:
        data = read_json(path)
        budgets = tuple(BudgetCheck(**check) for check in data.pop("budgets", ()))
        finetuning = parse_finetuning(data.pop("finetuning", None))
        # Verifications of fbsearch before it knew precisions lack these.
        earlier = {
            "precision": "fp32",
            "fp32_test_accuracy": data["torch_test_accuracy"],
            "file_size_bytes": data["size_bytes"],
        }
        return Verification(**(earlier | data), budgets=budgets, finetuning=finetuning)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged ({error!r}); verify again") from None


@dataclass(frozen=True)
class _Compared:
    test_accuracy: float
    fp32_test_accuracy: float
    torch_test_accuracy: float
    top1_agreement: float
    max_abs_diff: float
    num_samples: int
    num_device_samples: int
    device_max_abs_diff: float | None


def _compare(
    model: Path,
    runner: Runner,
    network: Network,
    images: ImageSet,
    sidecar: Sidecar,
    settings: VerifySettings,
) -> _Compared:
    """Run the network and the model on the same test images."""
    if settings.num_samples is not None and settings.num_samples < len(images):
        images = images.subset(np.arange(settings.num_samples))
    inputs, labels, reference = _reference(network, images, sidecar)
    if sidecar.preprocessing.layout == "NHWC":
        inputs = inputs.transpose(0, 2, 3, 1)
    inputs = np.ascontiguousarray(inputs)
    outputs = _outputs(model, _here(runner), inputs)
    agreed = agreement(reference, outputs)
    _check_agreement(agreed, sidecar, settings, "the exported model")
    num_device_samples, on_device = len(inputs), agreed
    if runner.is_elsewhere:
        num_device_samples = min(settings.num_device_samples, len(inputs))
        if num_device_samples:
            some = slice(num_device_samples)
            on_device = agreement(reference[some], _outputs(model, runner, inputs[some]))
            _check_agreement(on_device, sidecar, settings, "the model on the device")
    fp32_test_accuracy = float((reference.argmax(1) == labels).mean())
    return _Compared(
        num_device_samples=num_device_samples,
        device_max_abs_diff=on_device.max_abs_diff if num_device_samples else None,
        test_accuracy=float((outputs.argmax(1) == labels).mean()),
        fp32_test_accuracy=fp32_test_accuracy,
        torch_test_accuracy=fp32_test_accuracy,
        top1_agreement=agreed.top1_agreement,
        max_abs_diff=agreed.max_abs_diff,
        num_samples=agreed.num_samples,
    )


def _before_finetuning(compared: _Compared, paths: RunPaths, images: ImageSet, sidecar: Sidecar) -> _Compared:
    """With the accuracy of the trained network, from which the fine-tuned one began."""
    network = load_network(paths.architecture, require(paths.weights, "fbsearch train"))
    preprocessing = sidecar.preprocessing
    some = images.subset(np.arange(compared.num_samples))
    loader = Loader(some, batch_size=64, mean=preprocessing.mean, std=preprocessing.std)
    accuracy = evaluate(network, loader).top1
    return replace(compared, fp32_test_accuracy=accuracy, torch_test_accuracy=accuracy)


def _outputs(model: Path, runner: Runner, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the model, as the runner computes them."""
    with runner.measuring():
        session = runner.open(model)
        try:
            return session.run(inputs)
        finally:
            session.close()


def _here(runner: Runner) -> Runner:
    """The runner itself, or this computer's of the same format for one elsewhere."""
    if not runner.is_elsewhere:
        return runner
    return LocalDevice().runner(runner.description.name, threads=1)


def _check_agreement(agreed: Agreement, sidecar: Sidecar, settings: VerifySettings, what: str) -> None:
    """Refuse a model that is not its network's: fp32 by its numbers, other precisions by what they choose."""
    if sidecar.precision != "fp32":
        _check_classes_agree(agreed, sidecar, settings, what)
    elif not agreed.max_abs_diff <= settings.max_abs_diff:
        raise ExportError(
            f"{what} disagrees with its network: logits differ by up to {agreed.max_abs_diff:.3g} "
            f"(allowed {settings.max_abs_diff:g}) and the top class agrees on "
            f"{agreed.top1_agreement:.2%} of {agreed.num_samples} test images; export it again, or see what "
            "runs it (a GPU computes in half precision: --set max_abs_diff=…)"
        )


def _check_classes_agree(agreed: Agreement, sidecar: Sidecar, settings: VerifySettings, what: str) -> None:
    num_others = round((1 - agreed.top1_agreement) * agreed.num_samples)
    # Rounded up: of the few images that a phone computes itself, one may differ.
    if num_others > math.ceil((1 - settings.min_top1_agreement) * agreed.num_samples):
        calibrated = sidecar.num_calibration_images
        advice = f"calibrate with more than {calibrated} images, or " if calibrated else ""
        raise ExportError(
            f"{what} in {sidecar.precision} disagrees with its network: the top class agrees on "
            f"{agreed.top1_agreement:.2%} of {agreed.num_samples} test images, and at least "
            f"{settings.min_top1_agreement:.2%} is asked for: {advice}export it in another precision, or "
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


def _runtime_of(model: Path, device: DeviceSettings) -> RuntimeName:
    """The runtime of the device settings if it reads the model's format, else the one that does."""
    model_format = format_of(model)
    return (
        device.runtime if RUNTIME_FORMATS[device.runtime] == model_format else FORMAT_RUNTIMES[model_format]
    )


def _verification(
    model: Path,
    device: Device,
    runner: Runner,
    measurement: Measurement,
    compared: _Compared,
    *,
    budget_ms: float | None,
    predicted_ms: float | None,
    budgets: tuple[BudgetCheck, ...],
    finetuning: FineTuning | None,
) -> Verification:
    measured_ms = measurement.latency_us / 1000
    description = device.describe()
    return Verification(
        model=model.name,
        device=description.model or description.name,
        runtime=runner.description.name,
        runtime_version=f"{runner.description.package} {runner.description.version}",
        threads=runner.description.threads,
        precision=runner.description.precision,
        budget_ms=budget_ms,
        predicted_ms=predicted_ms,
        measured_ms=measured_ms,
        measured_p95_ms=measurement.p95_us / 1000,
        keeps_budget=None if budget_ms is None else measured_ms <= budget_ms,
        is_converged=measurement.is_converged,
        is_steady=measurement.is_steady,
        file_size_bytes=model.stat().st_size,
        size_bytes=model.stat().st_size,
        rounds_us=measurement.rounds_us,
        budgets=budgets,
        finetuning=finetuning,
        **asdict(compared),
    )
