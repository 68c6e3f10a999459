"""``fbsearch calibrate`` and ``fbsearch table``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_json, print_table, show_progress
from fbsearch.devices import Device, DeviceDefinition, MeasurementProtocol, RuntimeName, find_device
from fbsearch.errors import SpaceError, TableMismatchError
from fbsearch.files import check_writable
from fbsearch.latency import Calibration, LatencyTable
from fbsearch.latency.calibration.designing import check_count, designed
from fbsearch.latency.measuring.settings import ModelSource, Watch
from fbsearch.latency.profiling.calibrating import calibrate_table
from fbsearch.latency.profiling.checking import (
    PredictionErrors,
    TableCheck,
    check_predictions,
    fresh_measurements,
    fresh_networks,
)
from fbsearch.latency.profiling.estimate import estimate_networks_seconds
from fbsearch.latency.profiling.growing import grow_for_networks
from fbsearch.pipeline.recipe import apply_overrides, validate_settings
from fbsearch.reports.charts import Predictions, write_predictions
from fbsearch.spaces import Space, load_space


def calibrate_file(
    path: Path,
    space_fields: Mapping[str, Any],
    *,
    device_name: str | None,
    num_networks: int,
    seed: int,
    jobs: int | None,
    overrides: Sequence[str],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Calibrate a table in place."""
    opened = _open(path, space_fields, device_name, overrides)
    if dry_run:
        check_count(num_networks)
        estimate = networks_estimate(
            opened.space,
            num_networks,
            runtime=opened.table.runtime.name,
            jobs=jobs,
            definition=opened.device.definition,
        )
        notify(f"would measure {estimate}, and calibrate {path} with them")
        return
    models, watch = ModelSource(jobs=jobs), Watch(show_progress(quiet))
    check_count(num_networks)
    calibrated = calibrate_table(
        grow_for_networks(
            path,
            opened.space,
            lambda: designed(opened.space, opened.table.latency_us, num_networks, seed),
            opened.device,
            models=models,
            watch=watch,
        ),
        opened.space,
        opened.device,
        out=path,
        num_networks=num_networks,
        protocol=opened.protocol,
        models=models,
        seed=seed,
        watch=watch,
    )
    assert calibrated.calibration is not None
    if as_json:
        print_json({"table": str(path), **calibration_figures(calibrated.calibration)})
        return
    notify(f"{path}: {describe_calibration(calibrated.calibration)}")


def check_file(
    path: Path,
    space_fields: Mapping[str, Any],
    *,
    device_name: str | None,
    num_networks: int,
    seed: int,
    jobs: int | None,
    overrides: Sequence[str],
    plot: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compare a table with fresh networks."""
    opened = _open(path, space_fields, device_name, overrides)
    if plot is not None:
        check_writable(plot.parent)
    models, watch = ModelSource(jobs=jobs), Watch(show_progress(quiet))
    table = grow_for_networks(
        path,
        opened.space,
        lambda: fresh_networks(opened.space, opened.table, num_networks, seed),
        opened.device,
        models=models,
        watch=watch,
    )
    with fresh_measurements(
        table,
        opened.space,
        opened.device,
        path=path,
        num_networks=num_networks,
        protocol=opened.protocol,
        models=models,
        seed=seed,
        watch=watch,
    ) as fresh:
        checked = check_predictions(opened.space, table, fresh.choices, fresh.measurements)
        if plot is not None:
            write_predictions(plot, _point_sets(checked))
        if as_json:
            print_json({"table": str(path), "seed": seed, "verdict": checked.verdict, **checked.to_dict()})
        else:
            _show(checked)
            notify(f"{path}: {checked.verdict}")


def calibration_figures(calibration: Calibration) -> dict[str, Any]:
    """A calibration for scripts: how good it is, and its line."""
    fit = calibration.header.fit
    return {
        **calibration.diagnostics.model_dump(mode="json"),
        "intercept_us": fit.intercept_us,
        "slope": fit.slope,
        "spread": fit.spread,
        "shared": fit.shared,
        "alike": fit.alike,
        "seconds": calibration.header.seconds.model_dump(mode="json"),
    }


def networks_estimate(
    space: Space,
    num_networks: int,
    *,
    runtime: RuntimeName,
    jobs: int | None,
    definition: DeviceDefinition,
) -> str:
    """How many whole networks would be measured, and how long that may take."""
    estimate = estimate_networks_seconds(
        space, num_networks, runtime=runtime, jobs=jobs, definition=definition
    )
    return (
        f"{estimate.num_models} whole networks, converting them first, in about "
        f"{estimate.seconds / 60:.1f} minutes"
    )


def describe_calibration(calibration: Calibration) -> str:
    """A calibration for people, in one line."""
    seconds = calibration.header.seconds
    return (
        f"calibrated with {calibration.summary}; converting {seconds.converting:.0f} s, "
        f"measuring {seconds.measuring:.0f} s"
    )


def space_of(table: LatencyTable, fields: Mapping[str, Any]) -> Space:
    """The space that the options name, or the table's own."""
    rest = dict(fields)
    source = rest.pop("source") or table.space_name
    try:
        space = load_space(source, **rest)
    except SpaceError as error:
        if fields["source"] is not None:
            raise
        raise TableMismatchError(
            f"{table.source} was measured for space {source!r}, which is no preset ({error}): "
            "give its file with --space"
        ) from None
    table.check_space(space)
    return space


@dataclass(frozen=True)
class _Opened:
    """A table's file with all that measuring whole networks for it takes."""

    table: LatencyTable
    space: Space
    device: Device
    protocol: MeasurementProtocol


def _open(
    path: Path, space_fields: Mapping[str, Any], device_name: str | None, overrides: Sequence[str]
) -> _Opened:
    table = LatencyTable.load(path)
    space = space_of(table, space_fields)
    check_writable(path.parent)
    protocol = validate_settings(
        MeasurementProtocol, apply_overrides(table.protocol.model_dump(), overrides), source="protocol"
    )
    return _Opened(table, space, find_device(device_name or table.device.name), protocol)


def _show(checked: TableCheck) -> None:
    kinds = {"plain sums": checked.plain, "calibrated": checked.calibrated}
    rows = [_row(name, errors) for name, errors in kinds.items() if errors is not None]
    columns = ["prediction", "mean error", "mean |error|", "worst", "within 5 %", "Spearman"]
    title = (
        f"{len(checked.choices)} fresh networks of {checked.measured_us.min() / 1000:.3g} to "
        f"{checked.measured_us.max() / 1000:.3g} ms; the measurement repeats to {checked.repeatability:.1%}"
    )
    print_table(title, columns, rows, numeric=frozenset(columns[1:]))


def _row(name: str, errors: PredictionErrors) -> list[str]:
    figures = errors.to_dict()
    rank = "" if figures["spearman"] is None else f"{figures['spearman']:.3f}"
    return [
        name,
        f"{figures['mean_error']:+.1%}",
        f"{figures['mean_abs_error']:.1%}",
        f"{figures['max_abs_error']:.1%}",
        f"{figures['share_within_5_percent']:.0%}",
        rank,
    ]


def _point_sets(checked: TableCheck) -> list[Predictions]:
    sets = [("plain sums", "second", checked.plain), ("calibrated", "main", checked.calibrated)]
    return [
        Predictions(name, role, tuple(zip(one.predicted_us.tolist(), one.measured_us.tolist(), strict=True)))
        for name, role, one in sets
        if one is not None
    ]
