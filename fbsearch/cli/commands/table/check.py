"""``fbsearch table check``: fresh networks, measured against predicted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    written,
)
from fbsearch.cli.printing import notify, print_json, print_table, show_progress
from fbsearch.files import check_file_writable

if TYPE_CHECKING:
    from fbsearch.cli.opened_table import OpenedTable
    from fbsearch.latency.measuring.settings import ModelSource, Watch
    from fbsearch.latency.profiling.checking import PredictionErrors, TableCheck

EXAMPLES = "Example: fbsearch table check T.json --networks 100 --seed 1 --plot check.svg"


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
        Path | None, written("--plot", help="Draw predicted against measured here, as SVG.")
    ] = None,
    settings: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure fresh random networks and compare them with what the table predicts, plain and calibrated."""
    from fbsearch.cli.opened_table import open_table
    from fbsearch.latency.measuring.settings import ModelSource, Watch

    fields = space_fields(resolution, num_classes, width_multiplier, head_channels)
    opened = open_table(table, space, fields, device_name=device, overrides=settings or [])
    if plot is not None:
        check_file_writable(plot)
    models, watch = ModelSource(jobs=jobs), Watch(show_progress(quiet))
    with _checked(opened, networks, seed, models, watch) as checked:
        if plot is not None:
            _draw(plot, checked)
        if as_json:
            print_json({"table": str(table), "seed": seed, "verdict": checked.verdict, **checked.to_dict()})
        else:
            _show(checked)
            notify(f"{table}: {checked.verdict}")


@contextmanager
def _checked(
    opened: OpenedTable, num_networks: int, seed: int, models: ModelSource, watch: Watch
) -> Iterator[TableCheck]:
    """Measure fresh networks and compare; what was measured is kept until it has been told."""
    from fbsearch.latency.profiling.checking import check_predictions, fresh_measurements, fresh_networks

    space = opened.space
    table = opened.grown_for(
        lambda: fresh_networks(space, opened.table, num_networks, seed), models=models, watch=watch
    )
    with fresh_measurements(
        table,
        space,
        opened.device,
        path=opened.path,
        num_networks=num_networks,
        protocol=opened.protocol,
        models=models,
        seed=seed,
        watch=watch,
    ) as fresh:
        yield check_predictions(space, table, fresh.choices, fresh.measurements)


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


def _draw(path: Path, checked: TableCheck) -> None:
    from fbsearch.reports.charts import Predictions, write_predictions

    sets = [("plain sums", "second", checked.plain), ("calibrated", "main", checked.calibrated)]
    points = [
        Predictions(name, role, tuple(zip(one.predicted_us.tolist(), one.measured_us.tolist(), strict=True)))
        for name, role, one in sets
        if one is not None
    ]
    write_predictions(path, points)
