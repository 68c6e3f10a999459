"""Curves over epochs: which metrics form a chart, and the chart in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fbsearch.records import MetricsRow
from fbsearch.reports.formatting import format_accuracy, format_ms, format_number

Unit = Literal["number", "accuracy", "latency"]
Role = Literal["main", "second"]

FORMATS: dict[Unit, Callable[[float], str]] = {
    "number": format_number,
    "accuracy": format_accuracy,
    "latency": format_ms,
}


@dataclass(frozen=True)
class Series:
    """One line: its points as (epoch, value), in order."""

    name: str
    role: Role
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Reference:
    """A horizontal line to compare with."""

    name: str
    value: float


@dataclass(frozen=True)
class LineChart:
    """What a line chart shows.

    Args:
        title: of the figure.
        unit: how values are written.
        series: at least one line.
        reference: a line to compare with.
        from_zero: whether the scale starts at zero.
        warm_up: the last epoch of a first phase in which only weights learn.
        x_name: what the lines run over.
    """

    title: str
    unit: Unit
    series: tuple[Series, ...]
    reference: Reference | None = None
    from_zero: bool = False
    warm_up: int | None = None
    x_name: str = "epoch"

    @property
    def label(self) -> str:
        """The chart in words."""
        write = FORMATS[self.unit]
        parts = [
            f"{line.name} from {write(line.points[0][1])} to {write(line.points[-1][1])}"
            for line in self.series
        ]
        if self.reference:
            parts.append(f"{self.reference.name} {write(self.reference.value)}")
        return f"{self.title} by {self.x_name}: {'; '.join(parts)}"


_Columns = Sequence[tuple[str, str, Role]]
_LOSS: _Columns = (("train_loss", "training", "second"), ("val_loss", "validation", "main"))
_ACCURACY: _Columns = (("train_accuracy", "training", "second"), ("val_accuracy", "validation", "main"))


def search_charts(rows: Sequence[MetricsRow], *, budget_us: float | None) -> tuple[LineChart, ...]:
    """The search's charts, those for which there are numbers."""
    budget = Reference("budget", budget_us) if budget_us is not None else None
    warm_up = _warm_up(rows)
    charts = (
        _chart(rows, "Loss", "number", _LOSS),
        _chart(rows, "Accuracy", "accuracy", _ACCURACY),
        _chart(
            rows, "Expected latency", "latency", (("expected_latency_us", "expected", "main"),),
            reference=budget, from_zero=True,
        ),
        _chart(rows, "Temperature", "number", (("temperature", "temperature", "main"),), from_zero=True),
        _chart(rows, "Entropy", "number", (("entropy", "entropy", "main"),), from_zero=True),
        _chart(rows, "Multiplier of the budget", "number", (("multiplier", "multiplier", "main"),)),
    )  # fmt: skip
    return tuple(replace(chart, warm_up=warm_up) for chart in charts if chart)


def training_charts(rows: Sequence[MetricsRow]) -> tuple[LineChart, ...]:
    """The training's charts, those for which there are numbers."""
    charts = (
        _chart(rows, "Loss", "number", _LOSS),
        _chart(rows, "Accuracy", "accuracy", _ACCURACY),
        _chart(rows, "Learning rate", "number", (("learning_rate", "rate", "main"),), from_zero=True),
    )
    return tuple(chart for chart in charts if chart)


def _chart(
    rows: Sequence[MetricsRow],
    title: str,
    unit: Unit,
    columns: _Columns,
    *,
    reference: Reference | None = None,
    from_zero: bool = False,
) -> LineChart | None:
    lines = [
        Series(name, role, points)
        for column, name, role in columns
        if (points := tuple((float(r.epoch), r.values[column]) for r in rows if column in r.values))
    ]
    if not lines:
        return None
    if len(lines) == 1:
        lines = [Series(lines[0].name, "main", lines[0].points)]
    return LineChart(title, unit, tuple(lines), reference, from_zero)


def _warm_up(rows: Sequence[MetricsRow]) -> int | None:
    """Last epoch before the architecture learns: of a phase so named, or without validation numbers."""
    named = [row.epoch for row in rows if row.phase and "warm" in row.phase.lower()]
    if named:
        return max(named)
    learning = next((row.epoch for row in rows if "val_loss" in row.values), None)
    return learning - 1 if learning else None
