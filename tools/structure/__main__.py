"""Prints the figures, and checks them: ``python -m tools.structure``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tools.structure.imports import all_cycles, largest_fan_out, runtime_cycles, usual_fan_out
from tools.structure.kinds import kind_askers
from tools.structure.measure import Measure
from tools.structure.sizes import (
    extreme_length,
    largest_argument_count,
    long_files,
    many_arguments,
    num_files,
    num_lines,
    usual_length,
)
from tools.structure.sources import StructureError, Tree
from tools.structure.spaces import space_namers

MEASURES: tuple[Callable[[Tree], Measure], ...] = (
    space_namers,
    kind_askers,
    largest_fan_out,
    usual_fan_out,
    largest_argument_count,
    many_arguments,
    runtime_cycles,
    all_cycles,
    usual_length,
    extreme_length,
    num_files,
    num_lines,
    long_files,
)
NUM_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what is asked for.

    Returns:
        The exit code: 0; 1 for a broken bound that was to be checked; 2 for a tree that cannot be measured.
    """
    options = _parser().parse_args(arguments)
    roots: list[Path] = options.trees or [Path(__file__).resolve().parents[2]]
    try:
        trees = {str(root): _allowing(measure_tree(root), options.allow) for root in roots}
    except StructureError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({root: [asdict(one) for one in found] for root, found in trees.items()}, indent=1))
    else:
        print(format_table(trees))
        for root, found in trees.items():
            lines = offences(found) if options.check else worst_places(found)
            print(*(["", root, *lines] if lines else []), sep="\n")
    broken = any(one.is_broken for found in trees.values() for one in found)
    return 1 if options.check and broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.structure", description="How the package is built, in figures with bounds."
    )
    parser.add_argument(
        "trees", nargs="*", type=Path, metavar="TREE", help="roots of checkouts; without any, this one"
    )
    parser.add_argument("--json", action="store_true", help="every figure with all its places")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a bound is broken")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        type=_allowance,
        metavar="NAME=VALUE",
        help="a larger bound for one figure, while a tree is on its way to its own; repeatable",
    )
    return parser


def _allowance(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    return name, float(value)


def _allowing(measures: list[Measure], allowed: Sequence[tuple[str, float]]) -> list[Measure]:
    """The figures with other bounds.

    Raises:
        StructureError: if one names no figure.
    """
    unknown = {name for name, _ in allowed} - {one.name for one in measures}
    if unknown:
        raise StructureError(
            f"--allow {min(unknown)!r}: the figures are {', '.join(m.name for m in measures)}"
        )
    bounds = dict(allowed)
    return [replace(one, bound=bounds.get(one.name, one.bound)) for one in measures]


def measure_tree(root: Path) -> list[Measure]:
    """All figures of the tree at ``root``.

    Raises:
        StructureError: if it cannot be measured.
    """
    tree = Tree(root)
    return [one(tree) for one in MEASURES]


def format_table(trees: dict[str, list[Measure]]) -> str:
    """A row per figure, a column per tree, then the bound."""
    rows = [["", *trees, "at most"]]
    for same in zip(*trees.values(), strict=True):
        bound = "" if same[0].bound is None else f"{same[0].bound:g}"
        rows.append([same[0].name, *(f"{round(one.value, 1):,}" for one in same), bound])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def worst_places(measures: list[Measure]) -> list[str]:
    """A line for each figure that has places, with the worst of them."""
    lines = []
    for one in (one for one in measures if one.places):
        shown = [f"{place.where} ({place.number:g})" for place in one.places[:NUM_SHOWN]]
        left_out = len(one.places) - NUM_SHOWN if one.counts_places else 0
        more = [f"and {left_out} more"] if left_out > 0 else []
        lines.append(f"{one.name}: {'; '.join([*shown, *more])}")
    return lines


def offences(measures: list[Measure]) -> list[str]:
    """A line for each broken bound, with a line for each place to mend below it."""
    lines = []
    for one in (one for one in measures if one.is_broken):
        lines.append(f"{one.name}: {one.value:g}, at most {one.bound:g} allowed")
        lines += [f"  {place.where}: {place.number:g} {one.unit}" for place in one.to_mend]
    return lines


if __name__ == "__main__":
    sys.exit(main())
