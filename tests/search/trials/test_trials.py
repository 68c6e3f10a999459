"""The loop of trials: what is proposed, judged, told and kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fbsearch.costs import AdditiveCost
from fbsearch.errors import BudgetError, TrainingError
from fbsearch.search import Limit
from fbsearch.search.trials import RandomSampler, TrialSettings, TrialsTask
from fbsearch.spaces import Code, load_space

SPACE = load_space("digits")
COST = AdditiveCost("num_params", 0.0, np.arange(24.0).reshape(4, 6))


class Listed:
    """Proposes what it was given, over and over, and remembers what it was told."""

    def __init__(self, *codes: Code) -> None:
        self.codes = codes
        self.asked = 0
        self.told: list[tuple[Code, float]] = []

    def ask(self) -> Code:
        self.asked += 1
        return self.codes[(self.asked - 1) % len(self.codes)]

    def tell(self, code: Code, score: float) -> None:
        self.told.append((code, score))

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.asked = state["asked"]


def settings(**fields: Any) -> TrialSettings:
    return TrialSettings(method="random", **{"trials": 3, "attempts": 5, **fields})


def run(task: TrialsTask, epochs: int) -> list[dict[str, float]]:
    return [task.run_epoch(epoch, lambda done, total: None) for epoch in range(epochs)]


def test_only_what_keeps_the_budgets_is_judged_and_nothing_twice() -> None:
    sampler, judged = Listed((5, 5, 5, 5), (0, 0, 0, 0), (1, 0, 0, 0)), []

    def evaluate(architecture: Any, report: Any) -> float:
        judged.append(architecture)
        return 0.1 * len(judged)

    limit = Limit(COST, COST.of((1, 0, 0, 0)))
    task = TrialsTask(SPACE, [limit], sampler, evaluate, settings())
    rows = run(task, 3)
    assert judged == [SPACE.decode((0, 0, 0, 0)), SPACE.decode((1, 0, 0, 0))]
    assert [row["score"] for row in rows] == pytest.approx([0.1, 0.2, rows[2]["score"]])
    assert [row["best_score"] for row in rows] == pytest.approx([0.1, 0.2, 0.2])
    assert len(sampler.told) == 3, "told of what it proposed again, too, with the score that is known"


def test_a_sampler_that_never_keeps_the_budgets_is_an_error() -> None:
    limit = Limit(COST, -1.0)
    task = TrialsTask(SPACE, [limit], Listed((0, 0, 0, 0)), lambda one, report: 1.0, settings())
    with pytest.raises(BudgetError, match="none of 5 proposals keeps the budgets"):
        run(task, 1)


def test_an_architecture_whose_training_diverges_is_worth_nothing() -> None:
    def diverges(architecture: Any, report: Any) -> float:
        raise TrainingError("the loss became nan")

    task = TrialsTask(SPACE, [], Listed((0, 0, 0, 0)), diverges, settings())
    assert run(task, 1) == [{"score": 0.0, "best_score": 0.0}]


def test_random_draws_depend_on_the_seed_and_their_number_alone() -> None:
    first, again, other = (RandomSampler(SPACE, settings(), seed) for seed in (0, 0, 1))
    drawn = [first.ask() for _ in range(6)]
    assert [again.ask() for _ in range(3)] == drawn[:3]
    resumed = RandomSampler(SPACE, settings(), 0)
    resumed.load_state_dict(again.state_dict())
    assert [resumed.ask() for _ in range(3)] == drawn[3:]
    assert [other.ask() for _ in range(6)] != drawn


def test_trials_are_without_a_teacher() -> None:
    with pytest.raises(ValidationError, match="without a teacher: set train"):
        settings(training={"distillation": {"teacher": "a:b"}})
