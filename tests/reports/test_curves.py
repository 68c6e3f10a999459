"""Which metrics form a chart."""

from __future__ import annotations

from fbsearch.records import MetricsRow
from fbsearch.reports.curves import search_charts, training_charts


def test_charts_appear_only_where_there_are_numbers() -> None:
    rows = [
        MetricsRow(0, "warm-up", {"train_loss": 2.0}),
        MetricsRow(1, "search", {"train_loss": 1.0, "expected_latency_us": 90.0}),
    ]
    charts = search_charts(rows, budget_us=100.0)
    assert [chart.title for chart in charts] == ["Loss", "Expected latency"]
    assert charts[0].series[0].points == ((0.0, 2.0), (1.0, 1.0))
    assert charts[0].series[0].role == "main"
    assert charts[0].warm_up == 0
    assert charts[1].reference is not None and charts[1].reference.value == 100.0
    assert charts[1].label.replace("\u00a0", " ") == (
        "Expected latency by epoch: expected from 0.090 ms to 0.090 ms; budget 0.100 ms"
    )
    assert search_charts((), budget_us=None) == training_charts(()) == ()


def test_the_expected_zen_score_has_a_chart_where_it_was_in_the_loss() -> None:
    rows = [MetricsRow(epoch, None, {"expected_zen": 30.0 + epoch}) for epoch in range(2)]
    (chart,) = search_charts(rows, budget_us=None)
    assert chart.title == "Expected Zen-Score" and chart.series[0].points == ((0.0, 30.0), (1.0, 31.0))


def test_warm_up_is_where_nothing_is_validated_yet() -> None:
    values = [{"train_loss": 2.0}, {"train_loss": 1.5}, {"train_loss": 1.0, "val_loss": 1.2}]
    rows = [MetricsRow(epoch, None, row) for epoch, row in enumerate(values)]
    assert [chart.warm_up for chart in search_charts(rows, budget_us=None)] == [1]
    assert [chart.warm_up for chart in search_charts(rows[2:], budget_us=None)] == [1]
    assert [chart.warm_up for chart in search_charts(rows[:2], budget_us=None)] == [None]


def test_a_taught_training_shows_what_teaches() -> None:
    labels = MetricsRow(0, None, {"train_loss": 2.0, "label_loss": 2.5, "soft_label_loss": 1.0})
    assert [chart.title for chart in training_charts([labels])] == ["Loss", "Loss by what teaches"]
    features = MetricsRow(0, None, {"train_loss": 2.0, "label_loss": 2.5, "feature_loss": 0.5})
    assert [chart.title for chart in training_charts([features])] == [
        "Loss",
        "Loss by what teaches",
        "Error of the teacher's feature map",
    ]
