"""The architecture as rows: one per operator, with its latency, grouped into stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fbsearch.architecture import Architecture, Operator
from fbsearch.errors import MissingOperatorError
from fbsearch.reports.formatting import NO_BREAK


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
        op = self.operator
        if op.kind in ("skip", "classifier"):
            return "skip" if op.is_identity else "projection" if op.kind == "skip" else "classifier"
        parts = [f"k{op.kernel}"] if op.kind == "mbconv" else ["conv", f"{op.kernel}\u00d7{op.kernel}"]
        if op.kind == "mbconv":
            parts.append(f"e{op.expansion}")
        if op.groups > 1:
            parts.append(f"g{op.groups}")
        if op.squeeze_excite:
            parts.append(f"se{op.squeeze_excite:g}")
        return NO_BREAK.join(parts)

    @property
    def channels(self) -> str:
        """Channels in and out, or one number where they are equal."""
        op = self.operator
        return (
            str(op.out_channels)
            if op.in_channels == op.out_channels
            else f"{op.in_channels} \u2192 {op.out_channels}"
        )

    @property
    def resolution(self) -> str:
        """Pixels in and out, or one number where they are equal."""
        op = self.operator
        if op.output_resolution == op.resolution:
            return str(op.resolution)
        return f"{op.resolution} \u2192 {op.output_resolution}"

    @property
    def description(self) -> str:
        """The operator in words, for those who cannot see the drawing."""
        op = self.operator
        if op.is_identity:
            return "skip: the input passes through"
        words = [f"{self.name.replace(NO_BREAK, ' ')}, {self.channels} channels"]
        words += ["residual"] if op.has_residual else []
        words += ["halves the resolution"] if op.stride == 2 else []
        return ", ".join(words)


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
    """Stem, stages (runs of one width) and head of an architecture.

    Args:
        architecture: what to show.
        latency_us: the table's look-up; None without a table.
    """

    def row(operator: Operator, number: int | None) -> LayerRow:
        return LayerRow(number, operator, _look_up(operator, latency_us))

    stages: list[list[LayerRow]] = []
    for number, operator in enumerate(architecture.layers, start=1):
        if (
            not stages
            or stages[-1][-1].operator.out_channels != operator.out_channels
            or operator.stride == 2
        ):
            stages.append([])
        stages[-1].append(row(operator, number))
    groups = [
        StageRows(f"Stage {number}", _stage_detail(rows[-1].operator), tuple(rows))
        for number, rows in enumerate(stages, start=1)
    ]
    stem = StageRows("Stem", "fixed", tuple(row(op, None) for op in architecture.stem))
    head = StageRows("Head", "fixed", tuple(row(op, None) for op in architecture.head))
    return tuple(group for group in (stem, *groups, head) if group.rows)


def _look_up(operator: Operator, latency_us: Callable[[Operator], float] | None) -> float | None:
    if latency_us is None:
        return None
    try:
        return latency_us(operator)
    except MissingOperatorError:
        return None  # the page's notices name the operator


def _stage_detail(operator: Operator) -> str:
    return f"{operator.out_channels} channels, {operator.output_resolution}{NO_BREAK}px"
