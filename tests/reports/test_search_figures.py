"""What a search has for its figures."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from fbsearch.records import SearchRecord
from fbsearch.reports.charts import draw_heat_map, standalone
from fbsearch.reports.finalist_rows import finalist_rows
from fbsearch.reports.run_folder import read_run
from fbsearch.reports.search_figures import finalists_plot, latency_map, probability_map, run_predictions
from tests.reports.sample_run import write_sample_run

SVG = "{http://www.w3.org/2000/svg}"


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
    rows = finalist_rows(search())
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
