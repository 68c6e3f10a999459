"""A space in figures: its size and the ranges of its costs, or those of random architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fbsearch.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fbsearch.latency import LatencyTable
    from fbsearch.spaces import FactoredSpace, Space

    Ranges = Mapping[str, tuple[float, float]]

_NUM_SAMPLES = 16


def show_space(
    space: Space, figures: Mapping[str, int], table: LatencyTable | None, *, as_json: bool
) -> None:
    """Print a space's figures.

    Args:
        space: of any kind.
        figures: those of its own kind, such as how many cells there are.
        table: for latencies as well.
        as_json: for scripts.
    """
    from fbsearch.spaces import FactoredSpace

    if isinstance(space, FactoredSpace):
        _show_factored(space, figures, table, as_json=as_json)
    else:
        _show_sampled(space, figures, table, as_json=as_json)


def _show_sampled(
    space: Space, figures: Mapping[str, int], table: LatencyTable | None, *, as_json: bool
) -> None:
    """What can be said of a space without independent decisions: the costs of random architectures."""
    import numpy as np

    from fbsearch.costs import Cost, count_in, latency_in

    costs: list[Cost] = [
        count_in(space, "num_params"),
        count_in(space, "num_macs"),
        count_in(space, "peak_bytes"),
    ]
    if table is not None:
        costs.append(latency_in(space, table))
    rng = np.random.default_rng(0)
    codes = [space.sample(rng) for _ in range(_NUM_SAMPLES)]
    sampled = {cost.name: [cost.of(code) for code in codes] for cost in costs}
    ranges = {name: (min(values), max(values)) for name, values in sampled.items()}
    operators = space.operators()
    if as_json:
        record = {
            "name": space.name,
            "resolution": space.input.resolution,
            "num_classes": space.num_classes,
            **figures,
            "num_architectures": space.size,
            "num_operators": None if operators is None else len(operators),
            "fingerprint": space.fingerprint,
            "num_sampled": len(codes),
            "sampled_ranges": {name: list(bounds) for name, bounds in ranges.items()},
        }
        print_json(record)
        return
    size = "an open space" if space.size is None else f"{float(space.size):.3g} architectures"
    title = (
        f"{space.name}: {size}, {space.input.resolution} px, {space.num_classes} classes"
        f"{_in_words(figures)}; {len(codes)} random architectures have"
    )
    _print_ranges(title, ranges)


def _show_factored(
    space: FactoredSpace, figures: Mapping[str, int], table: LatencyTable | None, *, as_json: bool
) -> None:
    ranges = _ranges(space, table)
    if as_json:
        print_json(_space_record(space, figures, ranges))
        return
    title = (
        f"{space.name}: {len(space.decisions)} layers, {float(space.size):.3g} architectures, "
        f"{len(space.operators())} operators, {space.input.resolution} px, {space.num_classes} classes"
        f"{_in_words(figures)}"
    )
    _print_ranges(title, ranges)


def _in_words(figures: Mapping[str, int]) -> str:
    return "".join(
        f", {value:,} {name.removeprefix('num_').replace('_', ' ')}" for name, value in figures.items()
    )


def _print_ranges(title: str, ranges: Ranges) -> None:
    rows = [[name, f"{least:,.6g}", f"{greatest:,.6g}"] for name, (least, greatest) in ranges.items()]
    print_table(title, ["cost", "least", "greatest"], rows, numeric=frozenset({"least", "greatest"}))


def _ranges(space: FactoredSpace, table: LatencyTable | None) -> Ranges:
    from fbsearch.costs import TabulatedCost, latency_cost, mac_cost, parameter_cost, peak_memory_cost

    costs: list[TabulatedCost] = [parameter_cost(space), mac_cost(space), peak_memory_cost(space)]
    if table is not None:
        costs.append(latency_cost(space, table))
    return {cost.name: cost.range() for cost in costs}


def _space_record(space: FactoredSpace, figures: Mapping[str, int], ranges: Ranges) -> dict[str, Any]:
    """The figures of a space for scripts."""
    return {
        "name": space.name,
        "resolution": space.input.resolution,
        "num_classes": space.num_classes,
        "num_slots": len(space.decisions),
        **figures,
        "num_architectures": space.size,
        "num_operators": len(space.operators()),
        "fingerprint": space.fingerprint,
        "ranges": {name: list(bounds) for name, bounds in ranges.items()},
        "slots": [
            {one.name: " ".join(str(node.operator) for node in one.nodes) for one in decision.candidates}
            for decision in space.decisions
        ],
    }
