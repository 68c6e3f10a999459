"""Verify: a model file is compared with its network, classifies the test images, and is measured."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.data import DataSplits
from fbsearch.devices import (
    FORMAT_RUNTIMES,
    RUNTIME_FORMATS,
    Device,
    Measurement,
    MeasurementLog,
    MeasurementProtocol,
    Runner,
    RuntimeName,
)
from fbsearch.errors import CheckpointError, TableMismatchError
from fbsearch.export import ConversionCache, Sidecar, convert_operators, format_of, read_sidecar
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.networks import measure_models
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.pipeline.recipe import DeviceSettings, VerifySettings, check_budgets
from fbsearch.pipeline.stages.comparing import before_finetuning, compare
from fbsearch.pipeline.stages.finetuning import network_of
from fbsearch.pipeline.stages.inputs import check_classes, load_recorded
from fbsearch.precision import Precision
from fbsearch.records import (
    InputRecord,
    RunPaths,
    SearchRecord,
    Verification,
    find_record,
    read_record,
    write_record,
)


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
        number: of the run's target that this is, from 1: whose table, prediction and budget count.

    Raises:
        ExportError: if the model is not its sidecar's, or disagrees with its network.
        CheckpointError: if the run's folder lacks the network.
        MeasurementError: if the model does not run on the device.
    """
    sidecar = read_sidecar(model)
    network = network_of(model, sidecar, paths)
    if data is None:
        data = load_recorded(read_record(paths.inputs, InputRecord))
    check_classes(network.architecture.num_classes, data.num_classes)
    runner = _runner(device, model, device_settings, sidecar.precision)
    compared = compare(model, runner, network, data.test, sidecar, settings)
    if sidecar.finetuning is not None and sidecar.finetuning.is_kept:
        compared = before_finetuning(compared, paths, data.test, sidecar)
    [sentinel] = convert_operators(
        [SENTINEL], format_of(model), ConversionCache(), precision=sidecar.precision, jobs=1
    ).values()
    [measurement] = measure_models(
        [model],
        runner,
        sentinel=sentinel,
        protocol=protocol,
        rng=np.random.default_rng(seed),
        launches=paths.launches(number),
        log=MeasurementLog(reference_us=_reference_us(paths.table(number), device, runner)),
    )
    search = find_record(paths.search_result, SearchRecord)
    known = searched_for(search, number)
    budget_ms = known.budget_ms if budget_ms is None else budget_ms
    is_of_this_precision = _table_precision(paths.table(number)) in (None, sidecar.precision)
    return Verification(
        target=known.target,
        budget_ms=budget_ms,
        predicted_ms=known.predicted_ms if is_of_this_precision else None,
        keeps_budget=None if budget_ms is None else measurement.latency_us / 1000 <= budget_ms,
        budgets=check_budgets(search, network.architecture, model),
        **_found(model, sidecar, device, runner, measurement),
        **asdict(compared),
    )


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


@dataclass(frozen=True)
class Searched:
    """What a run's search tells of a model on a target; None where it had no search, or none for the target.

    Args:
        target: its name.
        budget_ms: on the latency there.
        predicted_ms: by the target's table.
    """

    target: str | None = None
    budget_ms: float | None = None
    predicted_ms: float | None = None


def searched_for(search: SearchRecord | None, number: int) -> Searched:
    """What a search tells of its winner.

    Args:
        search: the result; None without one.
        number: of the target, from 1.
    """
    if search is None or number > len(search.targets):
        return Searched()
    target, latency = search.targets[number - 1], search.winner.latencies[number - 1]
    budget_ms = None if target.budget_us is None else target.budget_us / 1000
    return Searched(target.name or None, budget_ms, latency.predicted_us / 1000)


def target_number(paths: RunPaths, model: Path, device: Device, settings: DeviceSettings) -> int:
    """Which of a run's targets a model is to be verified on, from 1: the one whose table is of the device.

    Args:
        paths: of the run.
        model: the file.
        device: where it will run.
        settings: runtime and threads; the precision is the model's own.

    Returns:
        The number; 1 where there is but one target, or no table is of the device.
    """
    if paths.num_tables() < 2:
        return 1
    runner = _runner(device, model, settings, read_sidecar(model).precision)
    description = device.describe()
    tables = [number for number in range(1, paths.num_tables() + 1) if paths.table(number).exists()]
    for number in tables:
        with suppress(TableMismatchError):
            LatencyTable.load(paths.table(number)).check_device(description, runner.description)
            return number
    return 1


def save_verification_of(model: Path, verification: Verification, paths: RunPaths, number: int = 1) -> Path:
    """Write the verification of any model of a run's network; ``verification.json`` stays its own model's.

    A target's own model is the one that its ``verification.json`` names: a run's last stage writes it, and
    without a run the first model that is verified takes its place. Another's goes to
    ``verification.MODEL.json``.

    Args:
        model: the file.
        verification: of it.
        paths: of the run.
        number: of the target, from 1.

    Returns:
        The file.
    """
    is_own = _is_own(model, paths, number)
    path = paths.verification(number) if is_own else paths.other_verification(model.name)
    write_record(path, verification)
    return path


def _is_own(model: Path, paths: RunPaths, number: int) -> bool:
    try:
        verified = read_record(paths.verification(number), Verification).model
    except CheckpointError:  # there is none, or a damaged one, which verifying again puts right
        return True
    own = paths.root / (verified or model.name)
    return model.name == own.name and (not own.exists() or own.samefile(model))


def load_verifications(paths: RunPaths) -> dict[int, Verification]:
    """The verifications of a run by the numbers of its targets.

    Raises:
        CheckpointError: if there is none, or one is damaged.
    """
    numbers = paths.verified_targets() or [1]  # reading the first says how it is made
    return {number: read_record(paths.verification(number), Verification) for number in numbers}


def _runner(device: Device, model: Path, settings: DeviceSettings, precision: Precision) -> Runner:
    return device.runner(_runtime_of(model, settings), threads=settings.threads, precision=precision)


def _runtime_of(model: Path, device: DeviceSettings) -> RuntimeName:
    """The runtime of the device settings if it reads the model's format, else the one that does."""
    model_format = format_of(model)
    return (
        device.runtime if RUNTIME_FORMATS[device.runtime] == model_format else FORMAT_RUNTIMES[model_format]
    )


def _found(
    model: Path, sidecar: Sidecar, device: Device, runner: Runner, measurement: Measurement
) -> dict[str, Any]:
    """Fields of a verification: the file, who ran it, and how long that took."""
    description, runtime = device.describe(), runner.description
    return {
        "model": model.name,
        "device": description.model or description.name,
        "runtime": runtime.name,
        "runtime_version": f"{runtime.package} {runtime.version}",
        "threads": runtime.threads,
        "precision": runtime.precision,
        "measured_ms": measurement.latency_us / 1000,
        "measured_p95_ms": measurement.p95_us / 1000,
        "is_converged": measurement.is_converged,
        "is_steady": measurement.is_steady,
        "file_size_bytes": model.stat().st_size,
        "rounds_us": measurement.rounds_us,
        "finetuning": sidecar.finetuning,
    }
