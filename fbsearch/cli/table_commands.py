"""``fbsearch table`` with its commands: check, grow, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fbsearch.cli.grow_command import GROW_EXAMPLES, grow
from fbsearch.cli.options import (
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
    TableFile,
    TableSpace,
    WidthMultiplier,
    space_fields,
)

table_app = typer.Typer(
    help="Look at a latency table, or add to it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@table_app.command(epilog="Example: fbsearch table check T.json --networks 100 --seed 1 --plot check.svg")
def check(
    table: TableFile,
    networks: Networks = 24,
    device: TableDevice = None,
    space: TableSpace = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw predicted against measured here, as SVG.")
    ] = None,
    settings: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure fresh random networks and compare them with what the table predicts, plain and calibrated."""
    from fbsearch.cli.tables import check_file

    check_file(
        table,
        {"source": space, **space_fields(resolution, num_classes, width_multiplier, head_channels)},
        device_name=device,
        num_networks=networks,
        seed=seed,
        jobs=jobs,
        overrides=settings or [],
        plot=plot,
        quiet=quiet,
        as_json=as_json,
    )


table_app.command(epilog=GROW_EXAMPLES)(grow)


@table_app.command(epilog="Example: fbsearch table show T.json --plot heatmap.svg")
def show(
    table: TableFile,
    space: TableSpace = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw layer x candidate as a heat map here, as SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a table was measured with, and what each candidate of each layer costs."""
    from fbsearch.cli.showing import show_table

    show_table(
        table,
        {"source": space, **space_fields(resolution, num_classes, width_multiplier, head_channels)},
        plot=plot,
        as_json=as_json,
    )
