"""The commands of single stages: profile, search, train, export, verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_json, show_progress
from fbsearch.cli.tables import calibration_figures, describe_calibration, networks_estimate
from fbsearch.devices import find_device
from fbsearch.errors import BudgetError
from fbsearch.export import ConversionCache, precision_path
from fbsearch.files import check_writable
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.designing import first_operators
from fbsearch.latency.profiling.estimate import estimate_profile_seconds
from fbsearch.pipeline.recipe import (
    FinetuneSettings,
    VerifySettings,
    checked_precision,
    describe_broken,
    given_settings,
    on_device,
    settings_from,
    validate_settings,
)
from fbsearch.pipeline.stages.exporting import run_export
from fbsearch.pipeline.stages.inputs import augmentation_of, check_classes, load_splits
from fbsearch.pipeline.stages.profiling import PlannedProfile, plan_profiles, run_profiles
from fbsearch.pipeline.stages.run_log import RunLog
from fbsearch.pipeline.stages.training import run_training
from fbsearch.pipeline.stages.verifying import run_verification, save_verification_of, target_number
from fbsearch.records import DataSettings, InputRecord, RunPaths, read_record
from fbsearch.spaces import Space, load_architecture, load_space
from fbsearch.train import TrainSettings

Fields = Mapping[str, Any]


def profile_space(
    source: str,
    fields: Fields,
    *,
    device_names: Sequence[str],
    runtime: str | None,
    threads: int | None,
    precision: str | None,
    out: Path | None,
    seed: int,
    jobs: int | None,
    num_networks: int,
    overrides: Sequence[str],
    keep: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure a space into a table per device."""
    space = load_space(source, **fields)
    plans = plan_profiles(
        space,
        device_names,
        runtime=runtime,
        threads=threads,
        precision=precision,
        out=out,
        num_networks=num_networks,
        overrides=overrides,
        keep=keep,
        notify=notify,
    )
    if dry_run:
        for plan in plans:
            _show_estimate(space, plan, jobs, seed)
        return
    progress = not quiet if len(plans) > 1 else show_progress(quiet)
    tables = run_profiles(space, plans, jobs=jobs, seed=seed, progress=progress, notify=notify)
    if as_json:
        records = [_profile_record(table) for table in tables.values()]
        print_json(records[0] if len(records) == 1 else records)
        return
    if len(tables) == 1:  # several have told so, each when it was ready
        [table] = tables.values()
        notify(
            f"{table.source}: {len(table.entries)} operators; converting {table.seconds.converting:.0f} s, "
            f"measuring {table.seconds.measuring:.0f} s"
        )
    for name, table in tables.items():
        if table.calibration is not None:
            prefix = "" if len(tables) == 1 else f"{name}: "
            notify(f"{prefix}{describe_calibration(table.calibration)}")


def _show_estimate(space: Space, plan: PlannedProfile, jobs: int | None, seed: int) -> None:
    name, definition = plan.settings.runtime, plan.device.definition
    estimate = estimate_profile_seconds(
        first_operators(space, num_networks=plan.num_networks, seed=seed),
        ConversionCache(),
        runtime=name,
        precision=plan.settings.precision,
        jobs=jobs,
        definition=definition,
    )
    networks = ""
    if plan.num_networks:
        more = networks_estimate(space, plan.num_networks, runtime=name, jobs=jobs, definition=definition)
        networks = f"; then {more} more"
    notify(
        f"would measure {estimate.num_models} operators of {space.name} on {plan.device.name} with "
        f"{name} in {plan.settings.precision}, converting {estimate.num_missing} first, in about "
        f"{estimate.seconds / 60:.1f} minutes, into {plan.path}{networks}"
    )


def _profile_record(table: LatencyTable) -> dict[str, Any]:
    calibration = table.calibration
    calibrated = {} if calibration is None else {"calibration": calibration_figures(calibration)}
    return {
        "table": table.source,
        "num_entries": len(table.entries),
        **table.header.model_dump(mode="json"),
        **calibrated,
    }


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
    record = RunLog(paths, seed=seed)
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


def export_run(
    source: Path,
    model: Path,
    *,
    precision: str,
    calibration_images: int,
    finetune_epochs: int,
    overrides: Sequence[str],
    quiet: bool,
    as_json: bool,
) -> None:
    """Convert a trained network, and fine-tune it for an integer model where asked to."""
    chosen = checked_precision(precision)
    model = precision_path(model, chosen)
    settings = [f"epochs={finetune_epochs}", *overrides]
    sidecar = run_export(
        source,
        model,
        precision=chosen,
        calibration_images=calibration_images,
        finetune=settings_from(FinetuneSettings, settings, source="fine-tuning"),
        progress=show_progress(quiet),
        notify=notify,
    )
    if as_json:
        print_json(
            {
                "model": str(model),
                "sha256": sidecar.sha256,
                "size_bytes": sidecar.size_bytes,
                "precision": sidecar.precision,
                "num_calibration_images": sidecar.num_calibration_images,
                "finetuning": None if sidecar.finetuning is None else asdict(sidecar.finetuning),
            }
        )
        return
    notify(f"{model}: {sidecar.size_bytes / 1024:.0f} KiB in {sidecar.precision}")


def verify_model(
    model: Path,
    *,
    device_name: str,
    threads: int | None,
    budget_ms: float | None,
    run: Path | None,
    data_source: str | None,
    overrides: Sequence[str],
    keep: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check and measure an exported model; over its budget is an error."""
    settings = settings_from(VerifySettings, overrides, source="verify")
    paths = RunPaths(run or model.parent)
    device = find_device(device_name, keep=keep)
    data = None
    if data_source is not None:
        inputs = read_record(paths.inputs, InputRecord)
        data = load_splits(
            inputs.data.model_copy(update={"source": data_source}),
            resolution=inputs.resolution,
            in_channels=inputs.in_channels,
            seed=inputs.seed,
        )
    settings_there = on_device(given_settings(device_name, None, threads), device.definition)
    number = target_number(paths, model, device, settings_there)
    verification = run_verification(
        model,
        paths=paths,
        device=device,
        device_settings=settings_there,
        protocol=device.definition.protocol,
        settings=settings,
        data=data,
        budget_ms=budget_ms,
        seed=0,
        number=number,
    )
    written = save_verification_of(model, verification, paths, number)
    if written != paths.verification(number):
        notify(f"{written}: {paths.verification(number).name} stays that of the run's own model")
    if as_json:
        print_json(verification.model_dump(mode="json"))
    else:
        is_quantised = verification.precision != "fp32"
        before = f", {verification.fp32_test_accuracy:.2%} in fp32" if is_quantised else ""
        notify(
            f"{model}: {verification.measured_ms:.4g} ms on {verification.device}; accuracy "
            f"{verification.test_accuracy:.2%} on {verification.num_samples} images"
            f"{before}; largest difference {verification.max_abs_diff:.2g}"
        )
    if verification.keeps_budget is False:
        raise BudgetError(
            f"{model} takes {verification.measured_ms:.4g} ms, over its budget of "
            f"{verification.budget_ms:.4g} ms"
        )
    broken = describe_broken(verification.budgets)
    if broken:
        raise BudgetError(f"{model} does not keep its budgets: {broken}")
