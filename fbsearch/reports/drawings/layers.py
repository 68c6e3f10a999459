"""The architecture as rows: one per operator, with its latency, grouped into stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fbsearch.architecture import Architecture, Node, Operator
from fbsearch.errors import MissingOperatorError
from fbsearch.reports.formatting import NO_BREAK

_FIXED = {"stem": "Stem", "head": "Head"}


@dataclass(frozen=True)
class LayerRow:
    """One operator at its place.

    Args:
        number: counted from 1 among the searched layers; None in stem and head.
        operator: what stands there.
        latency_us: from the table; None where there is none.
    """

    number: int | None
    operator: Operator
    latency_us: float | None

    @property
    def name(self) -> str:
        """Short name, such as ``k5 e6``."""
        return self.operator.label.replace(" ", NO_BREAK)

    @property
    def channels(self) -> str:
        """Channels in and out, or one number where they are equal."""
        return _change(self.operator.in_channels, self.operator.out_channels)

    @property
    def resolution(self) -> str:
        """Pixels in and out, or one number where they are equal."""
        return _change(self.operator.resolution, self.operator.output.resolution)

    @property
    def description(self) -> str:
        """The operator in words, for those who cannot see the drawing."""
        op = self.operator
        if op.is_identity:
            return "skip: the input passes through"
        words = [f"{op.label}, {self.channels} channels"]
        words += ["residual"] if op.has_residual else []
        words += ["halves the resolution"] if op.stride == 2 else []
        return ", ".join(words)


def _change(before: int, after: int) -> str:
    return str(before) if before == after else f"{before} \u2192 {after}"


@dataclass(frozen=True)
class StageRows:
    """Layers of one width, or stem or head."""

    title: str
    detail: str
    rows: tuple[LayerRow, ...]

    @property
    def latency_us(self) -> float | None:
        """Sum of the rows' latencies, None if one is unknown."""
        return add_latencies(row.latency_us for row in self.rows)


def add_latencies(latencies: Iterable[float | None]) -> float | None:
    """The sum, or None if one of them is unknown: an unknown latency is never taken for zero."""
    total = 0.0
    for latency in latencies:
        if latency is None:
            return None
        total += latency
    return total


def group_layers(
    architecture: Architecture, latency_us: Callable[[Operator], float] | None
) -> tuple[StageRows, ...]:
    """Stem, stages (runs of one width), cells or super-blocks, and head of an architecture.

    Args:
        architecture: what to show.
        latency_us: the table's look-up; None without a table.
    """

    number = 0
    computed = {node.name for node in architecture.computing_nodes} - architecture.repeated_names
    groups: list[tuple[str, list[LayerRow]]] = []
    for node in architecture.nodes:
        group, operator = node.name.rpartition("/")[0], node.operator
        is_fixed = group in _FIXED
        number += not is_fixed
        if not groups or groups[-1][0] != group or _begins_stage(groups[-1][1][-1].operator, node):
            groups.append((group, []))
        latency = look_up(operator, latency_us) if node.name in computed or latency_us is None else 0.0
        groups[-1][1].append(LayerRow(None if is_fixed else number, operator, latency))
    titles = _titles([group for group, _ in groups])
    return tuple(
        StageRows(title, "fixed" if group in _FIXED else _stage_detail(rows[-1].operator), tuple(rows))
        for title, (group, rows) in zip(titles, groups, strict=True)
    )


def _begins_stage(before: Operator, node: Node) -> bool:
    """Whether a layer of a chain begins a stage: by another width, or half the resolution."""
    group, operator = node.name.rpartition("/")[0], node.operator
    if group in _FIXED or "/" in group:
        return False
    return before.out_channels != operator.out_channels or operator.stride == 2


def _titles(groups: Sequence[str]) -> list[str]:
    """Stem, stages, cells and super-blocks by their numbers, head."""
    titles, stage = [], 0
    for group in groups:
        kind, _, number = group.rpartition("/")
        stage += group not in _FIXED and not kind
        word = "Super-block" if kind == "blocks" else "Cell"
        titles.append(_FIXED.get(group) or (f"{word} {int(number) + 1}" if kind else f"Stage {stage}"))
    return titles


def look_up(operator: Operator, latency_us: Callable[[Operator], float] | None) -> float | None:
    """An operator's latency, None where it is unknown."""
    if latency_us is None:
        return None
    try:
        return latency_us(operator)
    except MissingOperatorError:
        return None  # the page's notices name the operator


def _stage_detail(operator: Operator) -> str:
    return f"{operator.out_channels} channels, {operator.output.resolution}{NO_BREAK}px"
