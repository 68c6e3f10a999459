"""``fbsearch table show``: what a table was measured with, and what each candidate costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fbsearch.cli.options import (
    HeadChannels,
    Json,
    NumClasses,
    Resolution,
    TableFile,
    TableSpace,
    WidthMultiplier,
    space_fields,
    written,
)
from fbsearch.cli.printing import notify, print_fields, print_json
from fbsearch.files import check_file_writable, write_text

if TYPE_CHECKING:
    from fbsearch.costs import AdditiveCost
    from fbsearch.latency import LatencyTable
    from fbsearch.reports.charts import Row
    from fbsearch.spaces import FactoredSpace, Space

EXAMPLES = "Example: fbsearch table show T.json --plot heatmap.svg"


def show(
    table: TableFile,
    space: TableSpace = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    width_multiplier: WidthMultiplier = None,
    head_channels: HeadChannels = None,
    plot: Annotated[
        Path | None, written("--plot", help="Draw layer x candidate as a heat map here, as SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a table was measured with, and what each candidate of each layer costs."""
    from fbsearch.cli.table_space import space_of
    from fbsearch.latency import LatencyTable
    from fbsearch.spaces import FactoredSpace, require_factored

    shown = LatencyTable.load(table)
    fields = space_fields(resolution, num_classes, width_multiplier, head_channels)
    measured = space_of(shown, table, space, fields)
    if plot is None and not isinstance(measured, FactoredSpace):
        _show_operators(table, shown, measured, as_json=as_json)
        return
    _show_candidates(table, shown, require_factored(measured, "drawing a table"), plot, as_json=as_json)


def _show_candidates(
    path: Path, table: LatencyTable, space: FactoredSpace, plot: Path | None, *, as_json: bool
) -> None:
    from fbsearch.costs import latency_cost

    latency = latency_cost(space, table)
    rows = _rows(space, latency)
    if plot is not None:
        _draw(plot, rows, latency.label)
    if as_json:
        least, greatest = latency.range()
        slots = [{"names": list(names), "latencies_us": list(values)} for names, values in rows]
        print_json(
            _record(path, table, latency.label)
            | {"fixed_us": latency.fixed, "range_us": [least, greatest], "slots": slots}
        )
        return
    print_fields(str(path), [*_facts(table, latency.label), *_ranges(space, latency)])
    if plot is not None:
        notify(f"figure: {plot}")


def _draw(path: Path, rows: list[Row], label: str) -> None:
    from fbsearch.reports.charts import draw_heat_map, latency_grid, standalone

    check_file_writable(path)
    title = f"Latency of each candidate, ms ({label})"
    write_text(path, standalone(draw_heat_map(latency_grid(rows), title=title, colour="orange")))


def _show_operators(path: Path, table: LatencyTable, space: Space, *, as_json: bool) -> None:
    """Of a space without independent decisions: what an architecture takes, its operators tell."""
    from fbsearch.costs import architecture_latency

    label = architecture_latency(space, table).label
    words, estimation = ("", {}) if space.operators() is not None else _estimation(table)
    if as_json:
        entries = {key: entry.latency_us for key, entry in table.entries.items()}
        print_json(_record(path, table, label) | {"operators_us": entries, **estimation})
        return
    print_fields(str(path), [*_facts(table, label), *([("missing ones", words)] if words else [])])


def _estimation(table: LatencyTable) -> tuple[str, dict[str, Any]]:
    """How well operators that an open space's table lacks are estimated, in words and for JSON."""
    from dataclasses import asdict

    from fbsearch.costs.work import count_work
    from fbsearch.errors import EstimationError
    from fbsearch.latency.estimation.estimator import fit_estimator

    try:
        errors = fit_estimator(table, count_work).errors
    except EstimationError as error:
        return f"cannot be estimated: {error}", {"estimation": None}
    return f"are estimated: {errors.summary}", {"estimation": asdict(errors)}


def _rows(space: FactoredSpace, latency: AdditiveCost) -> list[Row]:
    return [
        (slot.names, row[: len(slot.names)].tolist())
        for slot, row in zip(space.decisions, latency.coefficients, strict=True)
    ]


def _facts(table: LatencyTable, label: str) -> list[tuple[str, str]]:
    runtime = table.runtime
    num_converged = sum(entry.is_converged for entry in table.entries.values())
    return [
        ("device", f"{table.device.name} ({table.device.model})"),
        ("runtime", f"{runtime.identity} ({runtime.package} {runtime.version})"),
        ("created", table.header.created),
        ("space", table.space_name),
        ("operators", f"{len(table.entries)}, {num_converged} of them converged"),
        ("warnings", f"{len(table.warnings)}, in the file"),
        ("latencies", label),
    ]


def _ranges(space: FactoredSpace, latency: AdditiveCost) -> list[tuple[str, str]]:
    from fbsearch.reports.formatting import format_ms

    least, greatest = latency.range()
    return [
        ("layers", str(len(space.decisions))),
        ("stem and head", format_ms(latency.fixed)),
        ("architectures", f"{format_ms(least)} to {format_ms(greatest)}"),
    ]


def _record(path: Path, table: LatencyTable, label: str) -> dict[str, Any]:
    return {
        "table": str(path),
        "device": table.device.model_dump(mode="json"),
        "runtime": table.runtime.model_dump(mode="json"),
        "space": table.space_name,
        "num_entries": len(table.entries),
        "latencies": label,
    }
