"""The functions that prepare a page's numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.export import FineTuning
from fbsearch.records import SearchRecord, TestMetrics, Verification
from fbsearch.reports.budgets import budget_rows
from fbsearch.reports.classes import class_rows, confusion_matrix
from fbsearch.reports.facts import verdict_tiles
from fbsearch.reports.formatting import (
    format_bytes,
    format_count,
    format_ms,
    format_number,
    format_percent,
    format_seconds,
    ms_decimals,
)
from fbsearch.reports.run_folder import read_run
from fbsearch.reports.verdict import make_gauge, make_verdict
from fbsearch.spaces import load_space
from tests.reports.sample_run import write_sample_run


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


def test_choices_of_a_real_space_fit_the_record() -> None:
    space = load_space("digits")
    slots = [
        {
            "names": slot.names,
            "latencies_us": [1.0] * len(slot.names),
            "probabilities": [0.1] * len(slot.names),
        }
        for slot in space.decisions
    ]
    fields = {"slots": slots, "finalists": [{"choices": [9] * 4, "predicted_us": 1.0}], "chosen": 0}
    with pytest.raises(ValueError, match="choice 9"):
        SearchRecord.model_validate(fields)
