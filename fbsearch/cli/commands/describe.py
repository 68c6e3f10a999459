"""``fbsearch describe``: an architecture's or a space's figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fbsearch.cli.options import Json
from fbsearch.cli.printing import print_json, print_table
from fbsearch.errors import ArchitectureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fbsearch.architecture import Architecture, Operator
    from fbsearch.latency import LatencyTable
    from fbsearch.spaces import FactoredSpace

    Ranges = Mapping[str, tuple[float, float]]

EXAMPLES = (
    "Examples: fbsearch describe fbnet_a --json; fbsearch describe fbnet; "
    "fbsearch describe a.json --table t.json"
)


def describe(
    subject: Annotated[str, typer.Argument(help="An architecture (name, JSON file, run folder) or a space.")],
    table: Annotated[Path | None, typer.Option("--table", help="Add latencies of this table.")] = None,
    as_json: Json = False,
) -> None:
    """Count an architecture's parameters, multiply-adds and memory; or a space's size and ranges."""
    from fbsearch.latency import LatencyTable
    from fbsearch.spaces import load_space, preset_names, require_factored

    latencies = None if table is None else LatencyTable.load(table)
    if subject in preset_names() or subject.endswith((".yaml", ".yml")):
        _show_space(require_factored(load_space(subject), "describing"), latencies, as_json=as_json)
    else:
        _show_architecture(_architecture(subject), latencies, as_json=as_json)


def _architecture(subject: str) -> Architecture:
    """The one of a name, a file or a run's folder.

    Raises:
        ArchitectureError: if ``subject`` is none of these, and no space either.
    """
    from fbsearch.spaces import load_architecture, named_architectures, preset_names

    path = Path(subject)
    if not path.exists() and subject not in named_architectures():
        raise ArchitectureError(
            f"{subject!r} is no architecture ({', '.join(named_architectures())}, or a JSON file), "
            f"no space ({', '.join(preset_names())}, or a YAML file) and no run folder"
        )
    return load_architecture(str(path / "architecture.json") if path.is_dir() else subject)


def _show_architecture(architecture: Architecture, table: LatencyTable | None, *, as_json: bool) -> None:
    data = _architecture_record(architecture, table)
    if as_json:
        print_json(data)
        return
    columns = ["operator", "parameters", "multiply-adds", "peak KiB"]
    if table is not None:
        columns.append("latency ms")
    rows = [_row(row["key"], row) for row in data["operators"]]
    rows.append(_row("total", data))
    if data.get("calibrated_ms") is not None:
        rows.append(["calibrated, as a whole", "", "", "", f"{data['calibrated_ms']:.4f}"])
    title = f"{architecture.name}: {architecture.resolution} px, {architecture.num_classes} classes"
    print_table(title, columns, rows, numeric=frozenset(columns[1:]))


def _row(name: str, figures: Mapping[str, Any]) -> list[str]:
    row = [
        name,
        f"{figures['num_params']:,}",
        f"{figures['num_macs']:,}",
        f"{figures['peak_bytes'] / 1024:,.0f}",
    ]
    if "latency_ms" in figures:
        row.append(f"{figures['latency_ms']:.4f}")
    return row


def _architecture_record(architecture: Architecture, table: LatencyTable | None) -> dict[str, Any]:
    """The figures of an architecture for scripts; latency in milliseconds where there is a table."""
    from fbsearch.costs import count_architecture

    total = count_architecture(architecture)
    return {
        "name": architecture.name,
        "resolution": architecture.resolution,
        "in_channels": architecture.in_channels,
        "num_classes": architecture.num_classes,
        "num_params": total.num_params,
        "num_macs": total.num_macs,
        "peak_bytes": total.peak_bytes,
        **({} if table is None else _latencies(architecture, table)),
        "operators": [_operator_record(operator, table) for operator in architecture.operators()],
    }


def _latencies(architecture: Architecture, table: LatencyTable) -> dict[str, Any]:
    calibrated_us = table.calibrated_us(architecture)
    return {
        "latency_ms": table.architecture_us(architecture) / 1000,
        "calibrated_ms": None if calibrated_us is None else calibrated_us / 1000,
        "table": table.source,
    }


def _operator_record(operator: Operator, table: LatencyTable | None) -> dict[str, Any]:
    from fbsearch.costs import count_operator

    counts = count_operator(operator)
    return {
        "key": operator.key,
        "num_params": counts.num_params,
        "num_macs": counts.num_macs,
        "peak_bytes": counts.peak_bytes,
        **({} if table is None else {"latency_ms": table.latency_us(operator) / 1000}),
    }


def _show_space(space: FactoredSpace, table: LatencyTable | None, *, as_json: bool) -> None:
    ranges = _ranges(space, table)
    if as_json:
        print_json(_space_record(space, ranges))
        return
    title = (
        f"{space.name}: {len(space.decisions)} layers, {float(space.size):.3g} architectures, "
        f"{len(space.operators())} operators, {space.input.resolution} px, {space.num_classes} classes"
    )
    rows = [[name, f"{least:,.6g}", f"{greatest:,.6g}"] for name, (least, greatest) in ranges.items()]
    print_table(title, ["cost", "least", "greatest"], rows, numeric=frozenset({"least", "greatest"}))


def _ranges(space: FactoredSpace, table: LatencyTable | None) -> Ranges:
    from fbsearch.costs import TabulatedCost, latency_cost, mac_cost, parameter_cost, peak_memory_cost

    costs: list[TabulatedCost] = [parameter_cost(space), mac_cost(space), peak_memory_cost(space)]
    if table is not None:
        costs.append(latency_cost(space, table))
    return {cost.name: cost.range() for cost in costs}


def _space_record(space: FactoredSpace, ranges: Ranges) -> dict[str, Any]:
    """The figures of a space for scripts."""
    return {
        "name": space.name,
        "resolution": space.input.resolution,
        "num_classes": space.num_classes,
        "num_slots": len(space.decisions),
        "num_architectures": space.size,
        "num_operators": len(space.operators()),
        "fingerprint": space.fingerprint,
        "ranges": {name: list(bounds) for name, bounds in ranges.items()},
        "slots": [
            {one.name: " ".join(str(node.operator) for node in one.nodes) for one in decision.candidates}
            for decision in space.decisions
        ],
    }
