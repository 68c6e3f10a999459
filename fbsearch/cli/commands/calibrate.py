"""``fbsearch calibrate``: whole networks, and a table calibrated with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import (
    DryRun,
    HeadChannels,
    Jobs,
    Json,
    Networks,
    NumClasses,
    Quiet,
    Resolution,
    Seed,
    Set,
    TableDevice,
    TableSpace,
    WidthMultiplier,
    space_fields,
)
from fbsearch.cli.printing import notify, print_json, show_progress

if TYPE_CHECKING:
    from fbsearch.cli.opened_table import OpenedTable
    from fbsearch.latency import Calibration
    from fbsearch.latency.measuring.settings import ModelSource, Watch

EXAMPLES = "Example: fbsearch calibrate T.json --networks 36 --seed 0"


def calibrate(
    table: Annotated[Path, typer.Argument(help="The table; it is replaced when all is measured.")],
    networks: Networks = 36,
    device: TableDevice = None,
    space: TableSpace = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    settings: Set = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure whole networks and calibrate a table with them, so that its sums are those of networks.

    Interrupted, the same command goes on where it stopped. --set takes settings of the measurement protocol.
    """
    from fbsearch.cli.opened_table import open_table
    from fbsearch.latency.calibration.designing import check_count
    from fbsearch.latency.measuring.settings import ModelSource, Watch

    fields = space_fields(resolution, num_classes, width_multiplier, head_channels)
    opened = open_table(table, space, fields, device_name=device, overrides=settings or [])
    check_count(networks)
    if dry_run:
        notify(f"would measure {_estimate(opened, networks, jobs)}, and calibrate {table} with them")
        return
    models, watch = ModelSource(jobs=jobs), Watch(show_progress(quiet))
    _show(table, _calibrated(opened, networks, seed, models, watch), as_json=as_json)


def _estimate(opened: OpenedTable, num_networks: int, jobs: int | None) -> str:
    from fbsearch.cli.calibration_words import networks_estimate

    return networks_estimate(
        opened.space,
        num_networks,
        runtime=opened.table.runtime.name,
        jobs=jobs,
        definition=opened.device.definition,
    )


def _calibrated(
    opened: OpenedTable, num_networks: int, seed: int, models: ModelSource, watch: Watch
) -> Calibration:
    """Add to the table what the networks take, measure them, and calibrate it."""
    from fbsearch.latency.calibration.designing import designed
    from fbsearch.latency.profiling.calibrating import calibrate_table

    space = opened.space
    table = opened.grown_for(
        lambda: designed(space, opened.table.latency_us, num_networks, seed), models=models, watch=watch
    )
    calibrated = calibrate_table(
        table,
        space,
        opened.device,
        out=opened.path,
        num_networks=num_networks,
        protocol=opened.protocol,
        models=models,
        seed=seed,
        watch=watch,
    )
    assert calibrated.calibration is not None
    return calibrated.calibration


def _show(path: Path, calibration: Calibration, *, as_json: bool) -> None:
    from fbsearch.cli.calibration_words import calibration_figures, describe_calibration

    if as_json:
        print_json({"table": str(path), **calibration_figures(calibration)})
    else:
        notify(f"{path}: {describe_calibration(calibration)}")
