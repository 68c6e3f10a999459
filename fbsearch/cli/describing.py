"""``fbsearch describe``: an architecture's or a space's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fbsearch.architecture import Architecture
from fbsearch.cli.printing import print_json, print_table
from fbsearch.costs import (
    TabulatedCost,
    count_architecture,
    count_operator,
    latency_cost,
    mac_cost,
    parameter_cost,
    peak_memory_cost,
)
from fbsearch.errors import ArchitectureError
from fbsearch.latency import LatencyTable
from fbsearch.spaces import (
    FactoredSpace,
    load_architecture,
    load_space,
    named_architectures,
    preset_names,
    require_factored,
)


def show_description(subject: str, table_path: Path | None, *, as_json: bool) -> None:
    """Print the figures of an architecture, or of a space.

    Raises:
        ArchitectureError: if ``subject`` is neither.
    """
    table = None if table_path is None else LatencyTable.load(table_path)
    if subject in preset_names() or subject.endswith((".yaml", ".yml")):
        _show_space(require_factored(load_space(subject), "describing"), table, as_json=as_json)
        return
    path = Path(subject)
    if not path.exists() and subject not in named_architectures():
        raise ArchitectureError(
            f"{subject!r} is no architecture ({', '.join(named_architectures())}, or a JSON file), "
            f"no space ({', '.join(preset_names())}, or a YAML file) and no run folder"
        )
    source = str(path / "architecture.json") if path.is_dir() else subject
    _show_architecture(load_architecture(source), table, as_json=as_json)


def describe_architecture(architecture: Architecture, table: LatencyTable | None) -> dict[str, Any]:
    """The figures of an architecture as JSON; latency in milliseconds where there is a table."""
    total = count_architecture(architecture)
    data: dict[str, Any] = {
        "name": architecture.name,
        "resolution": architecture.resolution,
        "in_channels": architecture.in_channels,
        "num_classes": architecture.num_classes,
        "num_params": total.num_params,
        "num_macs": total.num_macs,
        "peak_bytes": total.peak_bytes,
    }
    if table is not None:
        data["latency_ms"] = table.architecture_us(architecture) / 1000
        calibrated_us = table.calibrated_us(architecture)
        data["calibrated_ms"] = None if calibrated_us is None else calibrated_us / 1000
        data["table"] = table.source
    data["operators"] = []
    for operator in architecture.operators():
        counts = count_operator(operator)
        row = {
            "key": operator.key,
            "num_params": counts.num_params,
            "num_macs": counts.num_macs,
            "peak_bytes": counts.peak_bytes,
        }
        if table is not None:
            row["latency_ms"] = table.latency_us(operator) / 1000
        data["operators"].append(row)
    return data


def _show_architecture(architecture: Architecture, table: LatencyTable | None, *, as_json: bool) -> None:
    data = describe_architecture(architecture, table)
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


def _row(name: str, figures: dict[str, Any]) -> list[str]:
    row = [
        name,
        f"{figures['num_params']:,}",
        f"{figures['num_macs']:,}",
        f"{figures['peak_bytes'] / 1024:,.0f}",
    ]
    if "latency_ms" in figures:
        row.append(f"{figures['latency_ms']:.4f}")
    return row


def _show_space(space: FactoredSpace, table: LatencyTable | None, *, as_json: bool) -> None:
    costs: list[TabulatedCost] = [parameter_cost(space), mac_cost(space), peak_memory_cost(space)]
    if table is not None:
        costs.append(latency_cost(space, table))
    ranges = {cost.name: list(cost.range()) for cost in costs}
    data = {
        "name": space.name,
        "resolution": space.input.resolution,
        "num_classes": space.num_classes,
        "num_slots": len(space.decisions),
        "num_architectures": space.size,
        "num_operators": len(space.operators()),
        "fingerprint": space.fingerprint,
        "ranges": ranges,
        "slots": [
            {one.name: " ".join(str(node.operator) for node in one.nodes) for one in decision.candidates}
            for decision in space.decisions
        ],
    }
    if as_json:
        print_json(data)
        return
    title = (
        f"{space.name}: {len(space.decisions)} layers, {float(space.size):.3g} architectures, "
        f"{len(space.operators())} operators, {space.input.resolution} px, {space.num_classes} classes"
    )
    rows = [[name, f"{least:,.6g}", f"{greatest:,.6g}"] for name, (least, greatest) in ranges.items()]
    print_table(title, ["cost", "least", "greatest"], rows, numeric=frozenset({"least", "greatest"}))
