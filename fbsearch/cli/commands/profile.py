"""``fbsearch profile``: every operator of a space, measured into a table per device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fbsearch.cli.options import (
    DeviceNames,
    DryRun,
    HeadChannels,
    Jobs,
    Json,
    Keep,
    NumClasses,
    PrecisionName,
    Quiet,
    Resolution,
    Runtime,
    Seed,
    Set,
    Space,
    Threads,
    WidthMultiplier,
    space_fields,
    written,
)
from fbsearch.cli.printing import notify, one_or_all, print_json, show_progress

if TYPE_CHECKING:
    from fbsearch import spaces
    from fbsearch.latency import LatencyTable
    from fbsearch.pipeline.stages.profiling import PlannedProfile

EXAMPLES = (
    "Examples: fbsearch profile --space fbnet --device local --threads 1 --out T.json; "
    "fbsearch profile --space fbnet --device pixel7 --device galaxy_s22 --out tables/"
)


def profile(
    space: Space,
    device: DeviceNames = None,
    runtime: Runtime = None,
    threads: Threads = None,
    precision: PrecisionName = None,
    out: Annotated[
        Path | None,
        written("--out", "-o", help="The table, or a folder for several; by default latency_tables/….json"),
    ] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    calibrate: Annotated[
        int,
        typer.Option(
            "--calibrate", min=0, help="Then measure so many whole networks and calibrate with them."
        ),
    ] = 0,
    settings: Set = None,
    keep: Keep = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure every operator of a space on a device, into a latency table.

    Interrupted, the same command goes on where it stopped. --set takes settings of the measurement protocol,
    such as --set max_rounds=40. Several phones are measured at once, a table each; one that fails does not
    stop the others, and the exit code is 2.
    """
    from fbsearch.pipeline.stages.profiling import plan_profiles, run_profiles
    from fbsearch.spaces import load_space

    measured = load_space(space, **space_fields(resolution, num_classes, width_multiplier, head_channels))
    plans = plan_profiles(
        measured,
        device or ["local"],
        runtime=runtime,
        threads=threads,
        precision=precision,
        out=out,
        num_networks=calibrate,
        overrides=settings or [],
        keep=keep,
        notify=notify,
    )
    if dry_run:
        for plan in plans:
            notify(_estimate(measured, plan, jobs, seed))
        return
    progress = not quiet if len(plans) > 1 else show_progress(quiet)
    tables = run_profiles(measured, plans, jobs=jobs, seed=seed, progress=progress, notify=notify)
    if as_json:
        print_json(one_or_all([_record(table) for table in tables.values()]))
    else:
        _tell(tables)


def _estimate(space: spaces.Space, plan: PlannedProfile, jobs: int | None, seed: int) -> str:
    from fbsearch.export import ConversionCache
    from fbsearch.latency.calibration.designing import first_operators
    from fbsearch.latency.profiling.estimate import estimate_profile_seconds

    estimate = estimate_profile_seconds(
        first_operators(space, num_networks=plan.num_networks, seed=seed),
        ConversionCache(),
        runtime=plan.settings.runtime,
        precision=plan.settings.precision,
        jobs=jobs,
        definition=plan.device.definition,
    )
    return (
        f"would measure {estimate.num_models} operators of {space.name} on {plan.device.name} with "
        f"{plan.settings.runtime} in {plan.settings.precision}, converting {estimate.num_missing} first, in "
        f"about {estimate.seconds / 60:.1f} minutes, into {plan.path}{_more(space, plan, jobs)}"
    )


def _more(space: spaces.Space, plan: PlannedProfile, jobs: int | None) -> str:
    """What calibrating would add."""
    from fbsearch.cli.calibration_words import networks_estimate

    if not plan.num_networks:
        return ""
    more = networks_estimate(
        space,
        plan.num_networks,
        runtime=plan.settings.runtime,
        jobs=jobs,
        definition=plan.device.definition,
    )
    return f"; then {more} more"


def _record(table: LatencyTable) -> dict[str, Any]:
    from fbsearch.cli.calibration_words import calibration_figures

    calibration = table.calibration
    calibrated = {} if calibration is None else {"calibration": calibration_figures(calibration)}
    return {
        "table": table.source,
        "num_entries": len(table.entries),
        **table.header.model_dump(mode="json"),
        **calibrated,
    }


def _tell(tables: Mapping[str, LatencyTable]) -> None:
    from fbsearch.cli.calibration_words import describe_calibration

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
