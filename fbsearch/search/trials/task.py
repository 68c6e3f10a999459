"""The trials of a search, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fbsearch.errors import BudgetError, TrainingError
from fbsearch.search.limit import Limit
from fbsearch.search.trials.evaluation import Evaluator
from fbsearch.search.trials.sampler import Sampler
from fbsearch.search.trials.settings import TrialSettings
from fbsearch.spaces import Code, Space
from fbsearch.train import Report


@dataclass(frozen=True)
class Trial:
    """An architecture that was tried.

    Args:
        code: of the architecture in its space.
        score: what it is worth, the higher the better.
    """

    code: Code
    score: float


class TrialsTask:
    """The trials of a search as a :class:`~fbsearch.train.Task`, an epoch of which is one trial.

    Args:
        space: of the architectures.
        limits: that each has to keep.
        sampler: proposes.
        evaluate: judges.
        settings: how many trials.
    """

    def __init__(
        self,
        space: Space,
        limits: Sequence[Limit],
        sampler: Sampler,
        evaluate: Evaluator,
        settings: TrialSettings,
    ) -> None:
        self.num_epochs = settings.trials
        self.trials: list[Trial] = []
        self._space = space
        self._limits = limits
        self._sampler = sampler
        self._evaluate = evaluate
        self._attempts = settings.attempts

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Propose, judge, and tell the sampler; what was tried before is not judged again.

        Raises:
            BudgetError: if no proposal keeps the budgets.
        """
        code, known = self._propose()
        score = self._score(code, report) if known is None else known
        self._sampler.tell(code, score)
        self.trials.append(Trial(code, score))
        return {"score": score, "best_score": max(trial.score for trial in self.trials)}

    def state_dict(self) -> dict[str, Any]:
        """The sampler's state and the trials so far."""
        trials = [[list(trial.code), trial.score] for trial in self.trials]
        return {"sampler": self._sampler.state_dict(), "trials": trials}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self._sampler.load_state_dict(state["sampler"])
        self.trials = [Trial(tuple(code), score) for code, score in state["trials"]]

    def _propose(self) -> tuple[Code, float | None]:
        """A proposal within the budgets, if possible a new one; with its score, if it was tried before."""
        tried = {trial.code: trial.score for trial in self.trials}
        again = None
        for _ in range(self._attempts):
            code = self._sampler.ask()
            if not all(limit.admits(code) for limit in self._limits):
                continue
            if code not in tried:
                return code, None
            again = code
        if again is None:
            raise BudgetError(
                f"none of {self._attempts} proposals keeps the budgets: raise a budget, or search.attempts"
            )
        return again, tried[again]

    def _score(self, code: Code, report: Report) -> float:
        """0 for an architecture whose training diverges: it is worth nothing, and no reason to stop."""
        try:
            return self._evaluate(self._space.decode(code), report)
        except TrainingError:
            return 0.0
