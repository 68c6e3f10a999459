"""The functions that prepare a page's numbers."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_run import write_sample_run

from fbsearch.architecture import Operator
from fbsearch.errors import MissingOperatorError
from fbsearch.export import FineTuning
from fbsearch.records import MetricsRow, SearchRecord, TestMetrics, Verification
from fbsearch.reports.block_drawing import block_width
from fbsearch.reports.budgets import budget_rows
from fbsearch.reports.chart_drawing import thin
from fbsearch.reports.classes import class_rows, confusion_matrix
from fbsearch.reports.curves import search_charts, training_charts
from fbsearch.reports.facts import verdict_tiles
from fbsearch.reports.finalists import rank_finalists
from fbsearch.reports.formatting import (
    format_bytes,
    format_count,
    format_ms,
    format_number,
    format_percent,
    format_seconds,
    ms_decimals,
)
from fbsearch.reports.heat_map_drawing import draw_heat_map
from fbsearch.reports.heat_maps import latency_map, probability_map
from fbsearch.reports.layers import add_latencies, group_layers
from fbsearch.reports.pareto import ParetoPlot, ParetoPoint, finalists_plot, find_dominated
from fbsearch.reports.pareto_drawing import draw_pareto
from fbsearch.reports.prediction_drawing import Predictions, write_predictions
from fbsearch.reports.run_folder import read_run
from fbsearch.reports.scales import nice_step, nice_ticks
from fbsearch.reports.search_predictions import run_predictions
from fbsearch.reports.svg import standalone, tag
from fbsearch.reports.table_figures import histogram
from fbsearch.reports.verdict import make_gauge, make_verdict
from fbsearch.reports.whole_networks import compare_whole_networks, describe_errors
from fbsearch.spaces import load_space, named_architecture
from tests.latency.sample_table import sample_calibration, sample_table

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("latency_us", "expected"),
    [
        (0.0, "0"), (0.5, "0.00050"), (5.27, "0.0053"), (10.0, "0.010"), (83.2, "0.083"), (100.0, "0.100"),
        (999.6, "1.00"), (1234.0, "1.23"), (23_456.0, "23.5"), (99_999.0, "100"), (123_456.0, "123"),
        (None, "\u2013"), (math.nan, "\u2013"),
    ],
)  # fmt: skip
def test_milliseconds(latency_us: float | None, expected: str) -> None:
    assert format_ms(latency_us, unit=False) == expected


@given(st.floats(min_value=10.0, max_value=1e5))
def test_milliseconds_lose_at_most_5_percent(latency_us: float) -> None:
    assert float(format_ms(latency_us, unit=False)) * 1000 == pytest.approx(latency_us, rel=0.05)


@given(st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=1))
def test_a_column_shows_its_largest_value_to_three_digits(values: list[float]) -> None:
    decimals = ms_decimals(values)
    largest = max(values)
    assert float(format_ms(largest, decimals=decimals, unit=False)) * 1000 == pytest.approx(
        largest, rel=0.006
    )


def test_other_units() -> None:
    assert format_percent(0.9972) == "99.7\u00a0%"
    assert format_percent(1.0) == "100\u00a0%"
    assert format_percent(-0.0004, decimals=1) == "0.0\u00a0%"
    assert format_count(999_950) == "1.00\u00a0M"
    assert format_count(12_345) == "12.3\u00a0k"
    assert format_bytes(999_600) == "1.00\u00a0MB"
    assert format_bytes(512) == "512\u00a0B"
    assert format_seconds(59.97) == "1\u00a0min\u00a000\u00a0s"
    assert format_seconds(7300) == "2\u00a0h\u00a002\u00a0min"
    assert format_number(-0.25) == "\u22120.250"


@given(st.floats(min_value=-1e9, max_value=1e9), st.floats(min_value=-1e9, max_value=1e9), st.booleans())
def test_ticks_span_what_they_are_asked_to(a: float, b: float, whole: bool) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high, whole=whole)
    slack = 1e-6 * max(abs(low), abs(high), float(whole))
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert not whole or all(tick == round(tick) for tick in ticks)


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_step_is_at_most_two_and_a_half_times_what_was_asked(rough: float) -> None:
    assert rough * (1 - 1e-6) <= nice_step(rough) <= rough * 2.5


def verification(**fields: object) -> Verification:
    return Verification.model_validate({"measured_ms": 0.083, "device": "AMD EPYC", **fields})


def test_the_sentence() -> None:
    verdict = make_verdict([verification(budget_ms=0.1, predicted_ms=0.078, measured_p95_ms=0.09)])
    assert verdict.status == "kept"
    [sentence] = verdict.sentences
    assert sentence.replace("\u00a0", " ") == (
        "The model takes 0.083 ms on AMD EPYC, 83 % of its 0.100 ms budget; "
        "the prediction was off by \u22126 %."
    )


def test_close_latencies_can_be_told_apart() -> None:
    check = verification(measured_ms=0.03, budget_ms=0.0398, predicted_ms=0.0304)
    [sentence] = make_verdict([check]).sentences
    assert "takes 0.0300\u00a0ms" in sentence
    assert "its 0.0398\u00a0ms budget" in sentence


def test_the_sentence_without_budget_or_prediction() -> None:
    verdict = make_verdict([verification()])
    assert verdict.status == "measured"
    assert verdict.sentences[0].endswith("on AMD EPYC; there was no prediction to compare with.")
    assert make_verdict([None]).status == "unmeasured"


@pytest.mark.parametrize(
    ("budget_ms", "keeps", "status"),
    [
        (0.083, None, "kept"),
        (0.0829, True, "over"),
        (0.2, False, "over"),
        (None, False, "over"),
        (0.2, True, "kept"),
    ],
)
def test_a_budget_is_kept_only_if_numbers_and_file_say_so(
    budget_ms: float | None, keeps: bool | None, status: str
) -> None:
    assert make_verdict([verification(budget_ms=budget_ms, keeps_budget=keeps)]).status == status


def test_every_budget_is_listed_and_one_that_is_broken_decides() -> None:
    budgets = [
        {"cost": "num_params", "bound": 50_000, "value": 41_234, "source": "counted", "is_kept": True},
        {"cost": "file_bytes", "bound": 200_000, "value": 231_456, "source": "read", "is_kept": False},
    ]
    check = verification(budget_ms=0.1, keeps_budget=True, budgets=budgets)
    rows = budget_rows([check])
    assert [(row.name, row.bound.replace("\u00a0", " "), row.is_kept) for row in rows] == [
        ("Latency", "0.100 ms", True), ("Parameters", "50.0 k", True), ("File size", "200 kB", False),
    ]  # fmt: skip
    assert make_verdict([check]).status == "over"
    assert make_verdict([verification(budget_ms=0.1, budgets=budgets[:1])]).status == "kept"
    assert budget_rows([verification(budget_ms=0.1)]) == budget_rows([]) == ()


def test_a_fine_tuning_is_a_tile(tmp_path) -> None:
    run = read_run(write_sample_run(tmp_path / "run").folder)
    assert "Fine-tuned" not in {tile.name for tile in verdict_tiles(run)}
    record = FineTuning(3, 0.97, 0.9, 0.96, 100, False, "model.tflite.finetune/weights.safetensors", "ab")
    check = run.verifications[0].model_copy(update={"finetuning": record})
    tuned = replace(run, targets=(replace(run.targets[0], verification=check),))
    [tile] = [tile for tile in verdict_tiles(tuned) if tile.name == "Fine-tuned"]
    assert tile.value.startswith("96")
    assert "from 90" in tile.note and "in 3 epochs" in tile.note and tile.note.endswith("not kept")


def test_the_gauge_keeps_proportions() -> None:
    gauge = make_gauge(verification(budget_ms=0.166, predicted_ms=0.0415))
    assert gauge.budget is not None and gauge.predicted is not None
    assert gauge.budget == pytest.approx(2 * gauge.measured)
    assert gauge.predicted == pytest.approx(gauge.measured / 2)
    assert gauge.p95 is None
    assert max(gauge.budget, gauge.measured) < 1
    assert "budget 0.166" in gauge.label


def test_layers_are_grouped_by_width_and_their_latencies_add_up() -> None:
    architecture = named_architecture("fbnet_a")
    groups = group_layers(architecture, lambda op: 0.0 if op.is_identity else float(op.out_channels))
    assert [len(group.rows) for group in groups] == [1, 1, 4, 4, 4, 4, 4, 1, 2]
    assert [row.number for group in groups for row in group.rows if row.number] == list(range(1, 23))
    assert groups[2].latency_us == 24 + 24
    total = add_latencies(row.latency_us for group in groups for row in group.rows)
    assert total == sum(op.out_channels for op in architecture.operators() if not op.is_identity)


def test_an_unknown_latency_is_never_zero() -> None:
    def look_up(operator: Operator) -> float:
        if operator.kind == "classifier":
            raise MissingOperatorError("absent")
        return 1.0

    groups = group_layers(named_architecture("fbnet_c"), look_up)
    assert groups[-1].rows[-1].latency_us is None
    assert groups[-1].latency_us is None
    assert add_latencies([1.0, None]) is None


def test_blocks_grow_with_the_expansion() -> None:
    widths = [block_width(Operator("mbconv", 8, 8, 8, kernel=3, expansion=e)) for e in (1, 3, 6, 12)]
    assert widths == sorted(set(widths))


def search(**fields: object) -> SearchRecord:
    slots = [
        {"names": ["a", "b"], "latencies_us": [10.0, 20.0], "probabilities": [0.25, 0.75]},
        {"names": ["b", "skip"], "latencies_us": [40.0, 0.0], "probabilities": [1.0, 0.0]},
    ]
    finalists = [
        {"choices": [0, 0], "predicted_us": 50.0, "val_accuracy": 0.8},
        {"choices": [1, 0], "predicted_us": 60.0, "val_accuracy": 0.9, "measured_us": 61.0},
        {"choices": [1, 1], "predicted_us": 20.0},
    ]
    return SearchRecord.model_validate({"slots": slots, "finalists": finalists, "chosen": 1, **fields})


def test_heat_maps_align_candidates_by_name() -> None:
    chances, latencies = probability_map(search()), latency_map(search())
    assert chances.columns == latencies.columns == ("a", "b", "skip")
    first, second = chances.rows
    assert [cell and cell.text for cell in first] == ["25", "75", None]
    assert [cell and cell.text for cell in second] == [None, "100", "\u00b7"]
    assert [cell and cell.is_chosen for cell in first] == [False, True, None]
    assert [cell and cell.level for cell in latencies.rows[1]] == [None, 20, 0]
    assert [cell and cell.level for cell in latencies.rows[0]] == [5, 10, None]


def test_finalists_are_ranked_by_accuracy_and_compared_with_the_chosen() -> None:
    rows = rank_finalists(search())
    assert [row.record.val_accuracy for row in rows] == [0.9, 0.8, None]
    assert [row.is_chosen for row in rows] == [True, False, False]
    assert [row.difference for row in rows] == [(), ((1, "a"),), ((2, "skip"),)]


def test_a_plot_of_the_finalists_tells_the_front_from_the_dominated() -> None:
    finalists = [
        {"choices": [0, 0], "predicted_us": 50.0, "val_accuracy": 0.8, "measured_us": 62.0},
        {"choices": [1, 0], "predicted_us": 60.0, "val_accuracy": 0.9, "measured_us": 61.0},
        {"choices": [1, 1], "predicted_us": 20.0, "val_accuracy": 0.7},
        {"choices": [0, 1], "predicted_us": 20.0},
    ]
    plot = finalists_plot(search(finalists=finalists, budget_us=70.0))
    assert plot is not None and plot.budgets_us == (70.0,)
    assert [(point.latency_us, point.is_dominated) for point in plot.points] == [
        (61.0, False), (62.0, True), (20.0, False),
    ]  # fmt: skip
    assert [point.accuracy for point in plot.front] == [0.7, 0.9]
    assert finalists_plot(search(finalists=finalists[3:], chosen=0)) is None


@given(
    st.lists(st.tuples(st.integers(1, 5).map(float), st.integers(0, 4).map(float)), min_size=1, max_size=8)
)
def test_what_is_not_dominated_is_beaten_by_none(pairs: list[tuple[float, float]]) -> None:
    dominated = find_dominated(*zip(*pairs, strict=True))
    assert not all(dominated)
    front = {pair for pair, is_dominated in zip(pairs, dominated, strict=True) if not is_dominated}
    ordered = sorted(front)
    assert all(slow > fast for (_, fast), (_, slow) in itertools.pairwise(ordered))
    for (latency, accuracy), is_dominated in zip(pairs, dominated, strict=True):
        covered = any(other <= latency and value >= accuracy for other, value in front)
        assert covered
        assert is_dominated == ((latency, accuracy) not in front)


def test_a_pareto_plot_draws_measured_and_predicted_and_its_budget() -> None:
    points = (
        ParetoPoint("a", 0.8, 1000.0, 1100.0, is_chosen=True, is_dominated=False),
        ParetoPoint("b", 0.7, 1400.0, 1500.0, is_chosen=False, is_dominated=True),
        ParetoPoint("c", 0.9, 2000.0, None, is_chosen=False, is_dominated=False),
    )
    root = ElementTree.fromstring(standalone(draw_pareto(ParetoPlot(points, (1200.0,)))))
    marks = [
        (circle.get("class"), float(circle.get("cx", "nan")))
        for circle in root.findall(f"{SVG}g/{SVG}circle")
    ]
    # The axis runs from 1.0 ms at 54 to 2.0 ms at 336.
    assert marks == [
        ("ring small dominated", 166.8), ("dot dominated", 195.0),
        ("ring front", 336.0),
        ("ring small chosen", 54.0), ("dot chosen", 82.2),
    ]  # fmt: skip
    budget = root.find(f"{SVG}g/{SVG}line[@class='reference']")
    assert budget is not None and budget.get("x1") == budget.get("x2") == "110.4"
    front = root.find(f"{SVG}polyline")
    assert front is not None
    xs = [float(pair.split(",")[0]) for pair in (front.get("points") or "").split()]
    assert xs == [82.2, 336.0, 336.0, 352.0], "from the chosen one up to the most accurate"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "budget 1.20\u00a0ms" in texts
    assert texts[-4:] == ["chosen", "on the front", "dominated", "predicted"]


def test_budgets_too_close_to_name_are_drawn_all_the_same() -> None:
    point = ParetoPoint("a", 0.8, 1000.0, None, is_chosen=False, is_dominated=False)
    svg = standalone(draw_pareto(ParetoPlot((point,), (1000.0, 1010.0, 2000.0))))
    assert svg.count('"reference"') == 3 and svg.count("<title>budget ") == 3
    assert svg.count('">1.01') == 0 and svg.count('">2.00\u00a0ms') == 1


def test_a_heat_map_as_a_file_holds_a_cell_per_candidate() -> None:
    root = ElementTree.fromstring(
        standalone(draw_heat_map(latency_map(search()), title="Latency, ms", colour="orange"))
    )
    cells = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "cell orange"]
    assert [cell.get("fill-opacity") for cell in cells] == ["0.287", "0.525", "1.000", "0.050"]
    assert len([rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "outline"]) == 2
    assert root.get("aria-label") == "Latency, ms: 2 layers by 3 candidates"


def test_predictions_of_a_run_need_two_networks(tmp_path) -> None:
    run = read_run(write_sample_run(tmp_path / "run").folder)
    [(finalists, exported)] = run_predictions(run)
    assert len(finalists.points) == len(exported.points) == 1
    [check] = run.verifications
    assert exported.points[0] == (1000 * check.predicted_ms, 1000 * check.measured_ms)
    unmeasured = replace(run, targets=(replace(run.targets[0], verification=None),))
    assert run_predictions(unmeasured) == ((),)


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


def test_warm_up_is_where_nothing_is_validated_yet() -> None:
    values = [{"train_loss": 2.0}, {"train_loss": 1.5}, {"train_loss": 1.0, "val_loss": 1.2}]
    rows = [MetricsRow(epoch, None, row) for epoch, row in enumerate(values)]
    assert [chart.warm_up for chart in search_charts(rows, budget_us=None)] == [1]
    assert [chart.warm_up for chart in search_charts(rows[2:], budget_us=None)] == [1]
    assert [chart.warm_up for chart in search_charts(rows[:2], budget_us=None)] == [None]


def test_whole_networks_tell_the_errors_of_sums_line_and_calibration() -> None:
    plain = sample_table()
    table = plain.with_calibration(sample_calibration(load_space("digits"), plain))
    compared = compare_whole_networks(table)
    assert compared is not None and len(compared.points) == 24
    diagnostics = table.calibration.diagnostics
    assert compared.sum_error == diagnostics.sum_mean_abs_error > compared.calibrated_error
    (low, start), (high, end) = compared.line
    assert low == compared.points[0][0] and high == compared.points[-1][0] and end > start
    assert "For 24 whole networks the plain sums were off by" in describe_errors(compared)
    assert compare_whole_networks(None) is None and compare_whole_networks(plain) is None


def test_a_scatter_of_predictions_is_a_file_of_its_own(tmp_path) -> None:
    sets = [
        Predictions("plain sums", "second", ((900.0, 1000.0), (1900.0, 2100.0))),
        Predictions("calibrated", "main", ((1000.0, 1000.0), (2090.0, 2100.0))),
    ]
    write_predictions(tmp_path / "check.svg", sets)
    root = ElementTree.parse(tmp_path / "check.svg").getroot()
    assert root.tag == f"{SVG}svg"
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == 4 + 2, "the points and the keys"
    assert "2 whole networks" in root.get("aria-label")


def test_class_rows_and_confusion() -> None:
    test = TestMetrics.model_validate(
        {"top1": 0.7, "per_class": {"cat": 0.9, "dog": 0.5, "none": None},
         "confusion": [[9, 1, 0], [3, 5, 2], [0, 0, 0]]}
    )  # fmt: skip
    rows = class_rows(test)
    assert [(r.name, r.confused_with, r.num_confused, r.num_images) for r in rows] == [
        ("dog", "cat", 3, 10), ("cat", "dog", 1, 10),
    ]  # fmt: skip
    matrix = confusion_matrix(test)
    assert matrix is not None
    assert [[cell.count for cell in row] for row in matrix.rows] == [[9, 1, 0], [3, 5, 2], [0, 0, 0]]
    assert matrix.rows[0][0].level == 18
    assert matrix.rows[0][1].title == "1 of cat taken for dog"
    large = TestMetrics.model_validate({"top1": 0.0, "confusion": [[0] * 21] * 21})
    assert confusion_matrix(large) is None


@given(
    st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=200), st.sampled_from([None, 0.02])
)
def test_a_histogram_counts_every_value_once(values: list[float], target: float | None) -> None:
    result = histogram(values, target=target)
    assert result is not None
    assert sum(b.count for b in result.bins) == len(values)
    assert len(result.bins) <= 18
    assert all(
        after.low == pytest.approx(b.high) for b, after in zip(result.bins, result.bins[1:], strict=False)
    )
    assert target is None or result.bins[-1].high > target * (1 - 1e-9)


def test_thinning_keeps_the_ends() -> None:
    points = [(float(i), float(i)) for i in range(1001)]
    kept = thin(points, limit=100)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert len(kept) <= 102
    assert thin(points[:5], limit=100) == points[:5]


def test_svg_text_and_attributes_are_escaped() -> None:
    assert tag("text", '<b>"', aria_label='"><script>') == (
        '<text aria-label="&#34;&gt;&lt;script&gt;">&lt;b&gt;&#34;</text>'
    )


def test_choices_of_a_real_space_fit_the_record() -> None:
    space = load_space("digits")
    slots = [
        {
            "names": slot.names,
            "latencies_us": [1.0] * len(slot.names),
            "probabilities": [0.1] * len(slot.names),
        }
        for slot in space.slots
    ]
    fields = {"slots": slots, "finalists": [{"choices": [9] * 4, "predicted_us": 1.0}], "chosen": 0}
    with pytest.raises(ValueError, match="choice 9"):
        SearchRecord.model_validate(fields)
