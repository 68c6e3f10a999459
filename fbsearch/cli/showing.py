"""``fbsearch table show``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fbsearch.cli.printing import notify, print_fields, print_json
from fbsearch.cli.tables import space_of
from fbsearch.costs import AdditiveCost, architecture_latency, latency_cost
from fbsearch.files import check_writable, write_text
from fbsearch.latency import LatencyTable
from fbsearch.reports.charts import Row, draw_heat_map, latency_grid, standalone
from fbsearch.reports.formatting import format_ms
from fbsearch.spaces import FactoredSpace, Space, require_factored


def show_table(path: Path, space_fields: Mapping[str, Any], *, plot: Path | None, as_json: bool) -> None:
    """Print a table's facts, and draw it where a file is given."""
    table = LatencyTable.load(path)
    space = space_of(table, space_fields)
    if plot is None and not isinstance(space, FactoredSpace):
        _show_operators(path, table, space, as_json=as_json)
        return
    _show_candidates(path, table, require_factored(space, "drawing a table"), plot=plot, as_json=as_json)


def _show_candidates(
    path: Path, table: LatencyTable, space: FactoredSpace, *, plot: Path | None, as_json: bool
) -> None:
    latency = latency_cost(space, table)
    rows = _rows(space, latency)
    if plot is not None:
        check_writable(plot.parent)
        title = f"Latency of each candidate, ms ({latency.label})"
        write_text(plot, standalone(draw_heat_map(latency_grid(rows), title=title, colour="orange")))
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


def _show_operators(path: Path, table: LatencyTable, space: Space, *, as_json: bool) -> None:
    """Of a space without independent decisions: what an architecture takes, its operators tell."""
    label = architecture_latency(space, table).label
    if as_json:
        entries = {key: entry.latency_us for key, entry in table.entries.items()}
        print_json(_record(path, table, label) | {"operators_us": entries})
        return
    print_fields(str(path), _facts(table, label))


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
