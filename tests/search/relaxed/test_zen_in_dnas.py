"""Zen-Score in the supernet's loss: what it moves, what it leaves alone, resuming, warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fbsearch.costs import AdditiveCost, parameter_cost
from fbsearch.data import DataSplits, load_data
from fbsearch.errors import CheckpointError
from fbsearch.proxies import zen_cost
from fbsearch.records import read_metrics
from fbsearch.search import Limit, Problem, Session
from fbsearch.search.relaxed import DnasSettings, DnasTask, SearchedSupernet, search_supernet
from fbsearch.search.relaxed.terms import describe_rough_zen, make_terms
from fbsearch.spaces import FactoredSpace, parse_definition, require_factored
from fbsearch.train import CHECKPOINT, Report, identity_of, make_accelerator
from tests.spaces.cells import sums_space

SPACE: FactoredSpace = require_factored(
    parse_definition(
        {
            "name": "tiny",
            "resolution": 8,
            "in_channels": 1,
            "num_classes": 10,
            "stem": {"channels": 8, "stride": 1},
            "stages": [{"channels": 8, "layers": 3}],
            "candidates": ["k3_e1", "k3_e3", "skip"],
        },
        source="test",
    ).build(),
    "tests",
)
LATENCY = AdditiveCost("latency_us", 700.0, np.array([[200.0, 200.0, 100.0]] * 3))
"""The first two candidates take as long: between them a budget does not decide."""
BUDGET = Limit(LATENCY, 1200.0, target="device")
SETTINGS = DnasSettings(
    mode="sampled",
    epochs=3,
    warmup_epochs=1,
    architecture_fraction=0.5,
    batch_size=8,
    learning_rate=0.05,
    architecture_learning_rate=0.1,
    num_finalists=2,
    zen_repeats=1,
)


@pytest.fixture(scope="module")
def data() -> DataSplits:
    return load_data("digits", resolution=8, in_channels=1, seed=0, limit=120)


@pytest.fixture(scope="module")
def zen() -> AdditiveCost:
    return zen_cost(SPACE, repeats=1, seed=0)


def search(data: DataSplits, folder: Path, *, resume: bool = False, **changes: Any) -> SearchedSupernet:
    problem = Problem(SPACE, (BUDGET,), data, None, SETTINGS.model_copy(update=changes), seed=0)
    return search_supernet(problem, Session(folder, resume, make_accelerator("fp32"), progress=False))


def expected(zen: AdditiveCost, searched: SearchedSupernet) -> float:
    return float(zen.expectation(searched.task.distribution.probabilities().detach()))


@pytest.mark.parametrize("objective", ["budget", "fbnet"])
def test_the_weight_moves_the_expected_score_up(
    data: DataSplits, tmp_path: Path, zen: AdditiveCost, objective: str
) -> None:
    without = expected(zen, search(data, tmp_path / "0", objective=objective))
    weighed = search(data, tmp_path / "1", objective=objective, zen_weight=20.0)
    assert expected(zen, weighed) > without + 0.02 * (zen.range()[1] - zen.range()[0])
    if objective == "budget":
        probabilities = weighed.task.distribution.probabilities().detach()
        assert float(LATENCY.expectation(probabilities)) == pytest.approx(BUDGET.bound, rel=0.01)
    told = [row.values["expected_zen"] for row in read_metrics(tmp_path / "1" / "metrics.jsonl")]
    assert len(told) == 3 and told[-1] == pytest.approx(expected(zen, weighed), rel=1e-5)
    assert all("expected_zen" not in row.values for row in read_metrics(tmp_path / "0" / "metrics.jsonl"))


def test_the_term_is_a_share_of_the_range(zen: AdditiveCost) -> None:
    settings = SETTINGS.model_copy(update={"zen_weight": 0.5, "penalties": {"num_params": 2.0}})
    params, term = make_terms(SPACE, settings, zen)
    best = np.eye(3)[np.nanargmax(zen.coefficients, axis=1)]
    worst = np.eye(3)[np.nanargmin(zen.coefficients, axis=1)]
    assert float(term(torch.tensor(best))) == pytest.approx(-0.5)
    assert float(term(torch.tensor(worst))) == pytest.approx(0.0, abs=1e-12)
    counted = float(parameter_cost(SPACE).expectation(torch.tensor(best)))
    assert float(params(torch.tensor(best))) == pytest.approx(2e-6 * counted)
    alike = replace(zen, coefficients=np.zeros_like(zen.coefficients))
    assert float(make_terms(SPACE, settings, alike)[1](torch.tensor(best))) == 0.0
    assert make_terms(SPACE, SETTINGS, None) == ()


def test_killed_and_resumed_it_ends_as_it_would_have(
    data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(data, tmp_path / "whole", zen_weight=1.0)
    killed = tmp_path / "killed"
    run_epoch = DnasTask.run_epoch

    def dying(self: DnasTask, epoch: int, report: Report) -> dict[str, float]:
        if epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(self, epoch, report)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(DnasTask, "run_epoch", dying)
        search(data, killed, zen_weight=1.0)
    again = search(data, killed, resume=True, zen_weight=1.0)
    assert torch.equal(whole.task.distribution.logits, again.task.distribution.logits)
    with pytest.raises(CheckpointError):
        search(data, killed, resume=True, zen_weight=2.0)


def test_without_the_term_a_checkpoint_is_what_it_was_before_there_was_one(
    data: DataSplits, tmp_path: Path
) -> None:
    first = search(data, tmp_path)
    settings = identity_of(tmp_path / CHECKPOINT)["settings"]
    assert "penalties" in settings and not any(name.startswith("zen") for name in settings)
    again = search(data, tmp_path, resume=True, zen_repeats=7)
    assert torch.equal(first.task.distribution.logits, again.task.distribution.logits)


def test_a_space_that_is_no_chain_is_warned_of() -> None:
    weighed = SETTINGS.model_copy(update={"zen_weight": 0.1})
    assert "no chain" in (describe_rough_zen(sums_space(), weighed) or "")
    assert describe_rough_zen(sums_space(), SETTINGS) is None
    assert describe_rough_zen(SPACE, weighed) is None
