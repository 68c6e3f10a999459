"""``fbsearch describe``: an architecture's or a space's figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fbsearch.cli.described_space import show_space
from fbsearch.cli.options import Json, NumClasses, Resolution, written
from fbsearch.cli.printing import print_json, print_table
from fbsearch.cli.stacked_cells import (
    CellOptions,
    Channels,
    Drawn,
    NumCells,
    RemoveDead,
    StackName,
    Stem,
    stacked_cells,
    write_drawing,
)
from fbsearch.errors import ArchitectureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fbsearch.architecture import Architecture, Operator
    from fbsearch.latency import LatencyTable

EXAMPLES = (
    "Examples: fbsearch describe fbnet_a --json; fbsearch describe fbnet; "
    "fbsearch describe a.json --table t.json; "
    "fbsearch describe 'SuperConvK3BNRELU(3,64,1,1)' --resolution 32 --num-classes 10; "
    "fbsearch describe nasnet_a --stack '6 @ 768' --draw cells.svg"
)


def describe(
    subject: Annotated[
        str,
        typer.Argument(
            help="An architecture (name, JSON file, run folder, structure string), a genotype or a space."
        ),
    ],
    table: Annotated[Path | None, typer.Option("--table", help="Add latencies of this table.")] = None,
    resolution: Resolution = None,
    num_classes: NumClasses = None,
    squeeze_excite: Annotated[
        bool, typer.Option("--squeeze-excite", help="With channel gates in a structure string's blocks.")
    ] = False,
    stack: StackName = None,
    cells: NumCells = None,
    channels: Channels = None,
    stem: Stem = None,
    remove_dead: RemoveDead = False,
    out: Annotated[
        Path | None, written("--out", help="Write the architecture here, for train and export.")
    ] = None,
    drawn: Drawn = None,
    as_json: Json = False,
) -> None:
    """Count an architecture's parameters, multiply-adds and memory; or a space's size and ranges.

    Of a genotype, two cells such as darts_v2, --stack or --cells and --channels say which network is meant.
    """
    from fbsearch.latency import LatencyTable
    from fbsearch.spaces import is_genotype, load_definition, preset_names

    latencies = None if table is None else LatencyTable.load(table)
    options = CellOptions(stack, cells, channels, resolution, num_classes, stem, remove_dead)
    if subject in preset_names() or subject.endswith((".yaml", ".yml")):
        options.refuse_for(subject)
        if out is not None or drawn is not None or squeeze_excite:
            raise ArchitectureError(
                f"{subject!r} is a space: --out, --draw and --squeeze-excite need an architecture; leave "
                "them away"
            )
        definition = load_definition(subject, resolution=resolution, num_classes=num_classes)
        show_space(definition.build(), definition.figures(), latencies, as_json=as_json)
        return
    if is_genotype(subject):
        architecture, figures = stacked_cells(subject, options, gated=squeeze_excite)
    else:
        options.refuse_for(subject)
        figures = {}
        architecture = _architecture(
            subject, resolution=resolution, num_classes=num_classes, gated=squeeze_excite
        )
    if drawn is not None:
        write_drawing(architecture, drawn)
    if out is not None:
        architecture.save(out)
    _show_architecture(architecture, figures, latencies, as_json=as_json)


def _architecture(
    subject: str, *, resolution: int | None, num_classes: int | None, gated: bool
) -> Architecture:
    """The one of a name, a file, a run's folder or a structure string.

    Raises:
        ArchitectureError: if ``subject`` is none of these, and no space either.
    """
    from fbsearch.spaces import is_structure_string, load_architecture, named_architectures, preset_names

    is_written = is_structure_string(subject)
    path = Path(subject)
    if not is_written and not path.exists() and subject not in named_architectures():
        raise ArchitectureError(
            f"{subject!r} is no architecture ({', '.join(named_architectures())}, a JSON file or a structure "
            f"string), no space ({', '.join(preset_names())}, or a YAML file) and no run folder"
        )
    source = str(path / "architecture.json") if not is_written and path.is_dir() else subject
    return load_architecture(source, resolution=resolution, num_classes=num_classes, gated=gated)


def _show_architecture(
    architecture: Architecture, figures: Mapping[str, Any], table: LatencyTable | None, *, as_json: bool
) -> None:
    data = _architecture_record(architecture, figures, table)
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


def _architecture_record(
    architecture: Architecture, figures: Mapping[str, Any], table: LatencyTable | None
) -> dict[str, Any]:
    """The figures of an architecture for scripts; latency in milliseconds where there is a table."""
    from fbsearch.costs import count_architecture
    from fbsearch.spaces import find_structure

    total, structure = count_architecture(architecture), find_structure(architecture)
    return {
        "name": architecture.name,
        **({} if structure is None else {"structure": structure}),
        "resolution": architecture.resolution,
        "in_channels": architecture.in_channels,
        "num_classes": architecture.num_classes,
        **figures,
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
