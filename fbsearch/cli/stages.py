"""The commands of single stages: profile, search, train, export, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.cli.tables import calibration_figures, describe_calibration
from fbsearch.costs import latency_cost
from fbsearch.devices import MeasurementProtocol, RuntimeName, find_device
from fbsearch.errors import BudgetError, InvalidInputError
from fbsearch.export import ConversionCache
from fbsearch.latency import LatencyTable
from fbsearch.latency.estimate import estimate_profile_seconds
from fbsearch.latency.naming import default_table_path
from fbsearch.latency.profiling import profile as profile_into_table
from fbsearch.pipeline.device_settings import on_device
from fbsearch.pipeline.exporting import run_export
from fbsearch.pipeline.folder import RunPaths, RunRecord, check_writable
from fbsearch.pipeline.inputs import InputRecord, augmentation_of, check_classes, load_splits, space_for
from fbsearch.pipeline.recipe import (
    DataSettings,
    DeviceSettings,
    VerifySettings,
    apply_overrides,
    settings_from,
    validate_settings,
)
from fbsearch.pipeline.searching import run_search
from fbsearch.pipeline.training import run_training
from fbsearch.pipeline.verifying import run_verification, save_verification
from fbsearch.search import SearchSettings
from fbsearch.spaces import load_architecture, load_definition, load_space
from fbsearch.train import TrainSettings

Fields = Mapping[str, Any]


def profile_space(
    source: str,
    fields: Fields,
    *,
    device_name: str,
    runtime: str | None,
    threads: int | None,
    out: Path | None,
    seed: int,
    jobs: int | None,
    num_networks: int,
    overrides: Sequence[str],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure a space into a table."""
    space = load_space(source, **fields)
    device = find_device(device_name)
    settings = on_device(_device_settings(device_name, runtime, threads), device.definition)
    name, threads = settings.runtime, settings.threads
    protocol = validate_settings(
        MeasurementProtocol,
        apply_overrides(device.definition.protocol.model_dump(), overrides),
        source="profile",
    )
    path = out or default_table_path(space, device=device.name, runtime=name, threads=threads)
    if dry_run:
        estimate = estimate_profile_seconds(space, ConversionCache(), runtime=name, jobs=jobs)
        notify(
            f"would measure {estimate.num_operators} operators of {space.name} on {device.name} with {name}, "
            f"converting {estimate.num_missing} first, in about {estimate.seconds / 60:.1f} minutes, "
            f"into {path}{f'; then {num_networks} whole networks' if num_networks else ''}"
        )
        return
    check_writable(path.parent)
    table = profile_into_table(
        space,
        device,
        out=path,
        runtime=name,
        threads=threads,
        protocol=protocol,
        jobs=jobs,
        seed=seed,
        progress=show_progress(quiet),
        num_networks=num_networks,
    )
    if as_json:
        calibrated = (
            {} if table.calibration is None else {"calibration": calibration_figures(table.calibration)}
        )
        header = table.header.model_dump(mode="json")
        print_json({"table": str(path), "num_entries": len(table.entries), **header, **calibrated})
        return
    notify(
        f"{path}: {len(table.entries)} operators; converting {table.seconds.converting:.0f} s, "
        f"measuring {table.seconds.measuring:.0f} s"
    )
    if table.calibration is not None:
        notify(describe_calibration(table.calibration))


def search_space(
    source: str,
    fields: Fields,
    *,
    table_path: Path,
    data: Fields,
    budget_ms: float,
    out: Path,
    seed: int,
    overrides: Sequence[str],
    resume: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search a space by its table alone."""
    if not budget_ms > 0:
        raise InvalidInputError(f"--budget-ms must be a positive number of milliseconds, not {budget_ms}")
    settings = settings_from(SearchSettings, overrides, source="search")
    data_settings = validate_settings(DataSettings, data, source="--data")
    table = LatencyTable.load(table_path)
    definition = load_definition(source, **fields)
    images = load_splits(
        data_settings, resolution=definition.resolution, in_channels=definition.in_channels, seed=seed
    )
    space = space_for(images.num_classes, source, **fields)
    latency = latency_cost(space, table)
    paths = RunPaths(out)
    check_writable(out)
    record = RunRecord(paths, seed=seed)
    with record.stage("search"):
        result = run_search(
            space,
            latency=latency,
            budget_us=budget_ms * 1000,
            data=images,
            augmentation=augmentation_of(data_settings, images),
            settings=settings,
            seed=seed,
            paths=paths,
            resume=resume,
            progress=show_progress(quiet),
        )
    if result is None:
        return
    table.save(paths.table)
    if as_json:
        print_json(result.to_dict())
        return
    if result.collapse:
        notify(f"warning: {result.collapse}")
    winner = result.finalists[result.chosen]
    notify(
        f"{paths.architecture}: {' '.join(space.choice_names(winner.choices))}; predicted "
        f"{winner.predicted_us / 1000:.4g} ms of {budget_ms:.4g} ms ({latency.label})"
    )


def train_architecture(
    source: str,
    *,
    data: Fields,
    out: Path,
    init: Path | None,
    seed: int,
    overrides: Sequence[str],
    resume: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train an architecture into a run's folder."""
    settings = settings_from(TrainSettings, overrides, source="train")
    data_settings = validate_settings(DataSettings, data, source="--data")
    architecture = load_architecture(source)
    images = load_splits(
        data_settings, resolution=architecture.resolution, in_channels=architecture.in_channels, seed=seed
    )
    check_classes(architecture.num_classes, images.num_classes)
    paths = RunPaths(out)
    check_writable(out)
    record = RunRecord(paths, seed=seed)
    with record.stage("train"):
        architecture.save(paths.architecture)
        result = run_training(
            architecture,
            data=images,
            inputs=InputRecord.of(data_settings, images, seed),
            augmentation=augmentation_of(data_settings, images),
            settings=settings,
            seed=seed,
            paths=paths,
            resume=resume,
            progress=show_progress(quiet),
            initial_weights=init,
        )
    if as_json:
        print_json(
            {"test_accuracy": result.test.top1, "weights": str(paths.weights), "seconds": result.seconds}
        )
        return
    notify(f"{paths.weights}: test accuracy {result.test.top1:.2%}")


def export_run(source: Path, model: Path, *, as_json: bool) -> None:
    """Convert a trained network."""
    sidecar = run_export(source, model)
    if as_json:
        print_json({"model": str(model), "sha256": sidecar.sha256, "size_bytes": model.stat().st_size})
        return
    notify(f"{model}: {model.stat().st_size / 1024:.0f} KiB")


def verify_model(
    model: Path,
    *,
    device_name: str,
    threads: int | None,
    budget_ms: float | None,
    run: Path | None,
    data_source: str | None,
    overrides: Sequence[str],
    quiet: bool,
    as_json: bool,
) -> None:
    """Check and measure an exported model; over its budget is an error."""
    settings = settings_from(VerifySettings, overrides, source="verify")
    paths = RunPaths(run or model.parent)
    device = find_device(device_name)
    data = None
    if data_source is not None:
        inputs = InputRecord.load(paths.inputs)
        data = load_splits(
            inputs.data.model_copy(update={"source": data_source}),
            resolution=inputs.resolution,
            in_channels=inputs.in_channels,
            seed=inputs.seed,
        )
    verification = run_verification(
        model,
        paths=paths,
        device=device,
        device_settings=on_device(_device_settings(device_name, None, threads), device.definition),
        protocol=device.definition.protocol,
        settings=settings,
        data=data,
        budget_ms=budget_ms,
        seed=0,
    )
    save_verification(verification, paths)
    if as_json:
        print_json(verification.to_dict())
    else:
        notify(
            f"{model}: {verification.measured_ms:.4g} ms on {verification.device}; accuracy "
            f"{verification.test_accuracy:.2%} on {verification.num_samples} images; "
            f"largest difference {verification.max_abs_diff:.2g}"
        )
    if verification.keeps_budget is False:
        raise BudgetError(
            f"{model} takes {verification.measured_ms:.4g} ms, over its budget of "
            f"{verification.budget_ms:.4g} ms"
        )


def _device_settings(name: str, runtime: str | None, threads: int | None) -> DeviceSettings:
    """What the command line says; the device's definition completes it."""
    if runtime is not None and runtime not in get_args(RuntimeName):
        raise InvalidInputError(f"--runtime {runtime!r}: allowed are {', '.join(get_args(RuntimeName))}")
    given = {"runtime": runtime, "threads": threads}
    return DeviceSettings.model_validate({"name": name} | {k: v for k, v in given.items() if v is not None})
