"""Curves over epochs: which metrics form a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fbsearch.records import MetricsRow
from fbsearch.reports.charts import LineChart, Reference, Role, Series
from fbsearch.reports.charts.units import ACCURACY, LATENCY, NUMBER, Unit

_Columns = Sequence[tuple[str, str, Role]]
_LOSS: _Columns = (("train_loss", "training", "second"), ("val_loss", "validation", "main"))
_SCORE: _Columns = (("score", "tried", "second"), ("best_score", "best so far", "main"))
_EVOLUTION: _Columns = (("median_score", "median", "second"), ("best_score", "best", "main"))
_TAUGHT: _Columns = (("label_loss", "labels", "second"), ("soft_label_loss", "soft labels", "main"))
_ACCURACY: _Columns = (("train_accuracy", "training", "second"), ("val_accuracy", "validation", "main"))


def search_charts(rows: Sequence[MetricsRow], *, budget_us: float | None) -> tuple[LineChart, ...]:
    """The search's charts, those for which there are numbers."""
    budget = Reference("budget", budget_us) if budget_us is not None else None
    warm_up = _warm_up(rows)
    evolved = rows if any("median_score" in row.values for row in rows) else ()
    tried = () if evolved else rows
    charts = (
        _chart(rows, "Loss", NUMBER, _LOSS),
        _chart(rows, "Accuracy", ACCURACY, _ACCURACY),
        _chart(
            rows, "Expected latency", LATENCY, (("expected_latency_us", "expected", "main"),),
            reference=budget, from_zero=True,
        ),
        _chart(rows, "Expected Zen-Score", NUMBER, (("expected_zen", "expected", "main"),)),
        _chart(rows, "Temperature", NUMBER, (("temperature", "temperature", "main"),), from_zero=True),
        _chart(rows, "Entropy", NUMBER, (("entropy", "entropy", "main"),), from_zero=True),
        _chart(tried, "Score of each trial", ACCURACY, _SCORE, x_name="trial"),
        _chart(evolved, "Score of the population", NUMBER, _EVOLUTION, x_name="generation"),
        _chart(
            rows, "Estimated share of the leaders’ latencies", ACCURACY,
            (("estimated_share", "estimated", "main"),), from_zero=True, x_name="generation",
        ),
        _chart(rows, "Multiplier of the budget", NUMBER, (("multiplier", "multiplier", "main"),)),
    )  # fmt: skip
    return tuple(replace(chart, warm_up=warm_up) for chart in charts if chart)


def training_charts(rows: Sequence[MetricsRow]) -> tuple[LineChart, ...]:
    """The training's charts, those for which there are numbers."""
    charts = (
        _chart(rows, "Loss", NUMBER, _LOSS),
        _chart(rows, "Accuracy", ACCURACY, _ACCURACY),
        _chart(rows, "Loss by what teaches", NUMBER, _TAUGHT),
        _chart(
            rows, "Error of the teacher's feature map", NUMBER, (("feature_loss", "relative error", "main"),),
            from_zero=True,
        ),
        _chart(rows, "Learning rate", NUMBER, (("learning_rate", "rate", "main"),), from_zero=True),
    )  # fmt: skip
    return tuple(chart for chart in charts if chart)


def _chart(
    rows: Sequence[MetricsRow],
    title: str,
    unit: Unit,
    columns: _Columns,
    *,
    reference: Reference | None = None,
    from_zero: bool = False,
    x_name: str = "epoch",
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
    return LineChart(title, unit, tuple(lines), reference, from_zero, x_name=x_name)


def _warm_up(rows: Sequence[MetricsRow]) -> int | None:
    """Last epoch before the architecture learns: of a phase so named, or without validation numbers."""
    named = [row.epoch for row in rows if row.phase and "warm" in row.phase.lower()]
    if named:
        return max(named)
    learning = next((row.epoch for row in rows if "val_loss" in row.values), None)
    return learning - 1 if learning else None
