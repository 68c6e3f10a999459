"""Search by trials as a method, whatever the sampler."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fbsearch.architecture import Architecture
from fbsearch.errors import BudgetError
from fbsearch.nn import Network
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit, predict_us
from fbsearch.search.method import Method, Session, register_method
from fbsearch.search.problem import Problem, limit_identity
from fbsearch.search.result import SearchResult
from fbsearch.search.trials.evaluation import ShortTraining
from fbsearch.search.trials.sampler import MakeSampler
from fbsearch.search.trials.settings import TrialSettings
from fbsearch.search.trials.task import Trial, TrialsTask
from fbsearch.spaces import Space
from fbsearch.train import run_epochs

_Sampler = TypeVar("_Sampler", bound=MakeSampler)


@dataclass(frozen=True)
class SearchedTrials:
    """The trials of a search, the best of which within budgets are its finalists.

    Args:
        space: that was searched.
        trials: in their order.
        settings: of the search.
        seconds: wall time of the search.
    """

    space: Space
    trials: Sequence[Trial]
    settings: TrialSettings
    seconds: float

    def finalists(
        self, limits: Sequence[Limit], *, excluded: Collection[Architecture] = ()
    ) -> list[Finalist]:
        """The best trials within the budgets, each architecture once.

        Args:
            limits: the budgets.
            excluded: architectures that are out of the question.

        Raises:
            BudgetError: if there is none.
        """
        scores: dict[Architecture, Trial] = {}
        for trial in sorted(self.trials, key=lambda trial: -trial.score):
            if len(scores) == self.settings.num_finalists:
                break
            architecture = self.space.decode(trial.code)
            if architecture not in excluded and all(limit.admits(trial.code) for limit in limits):
                scores.setdefault(architecture, trial)
        if not scores:
            raise BudgetError(
                f"none of the {len(self.trials)} architectures that were tried is left within the budgets: "
                "raise search.trials, or a budget"
            )
        return [_finalist(trial, one, limits) for one, trial in scores.items()]

    def choose(self, finalists: Sequence[Finalist]) -> int:
        """Index of the one with the highest score, the first of equals."""
        return max(range(len(finalists)), key=lambda index: finalists[index].worth)

    def result(self, limits: Sequence[Limit], finalists: Sequence[Finalist], *, chosen: int) -> SearchResult:
        """The search's result with the finalist at ``chosen`` as its winner."""
        return SearchResult(
            space=self.space,
            method=self.settings.method,
            limits=tuple(limits),
            finalists=tuple(finalists),
            chosen=chosen,
            seconds=self.seconds,
        )

    def trained(self, architecture: Architecture) -> Network | None:
        """None: a trial's weights are not kept."""
        return None


def _finalist(trial: Trial, architecture: Architecture, limits: Sequence[Limit]) -> Finalist:
    return Finalist(
        code=trial.code,
        architecture=architecture,
        predicted_us=predict_us(limits, trial.code),
        val_accuracy=trial.score,
        source="tried",
    )


def search_by_trials(problem: Problem, session: Session, *, make_sampler: MakeSampler) -> SearchedTrials:
    """Try architectures that keep all budgets, each by a short training.

    Raises:
        BudgetError: if no proposal keeps the budgets.
    """
    settings, accelerator = problem.settings, session.accelerator
    assert isinstance(settings, TrialSettings)  # as the method is registered
    started = time.monotonic()
    task = TrialsTask(
        problem.space,
        problem.limits,
        make_sampler(problem.space, settings, problem.seed),
        ShortTraining(problem, settings),
        settings,
    )
    run_epochs(
        task,
        folder=session.folder,
        title="search",
        unit="trial",
        resume=session.resume,
        identity={
            "space": problem.space.fingerprint,
            "settings": settings.model_dump(mode="json"),
            "data": problem.images.fingerprint,
            "num_processes": accelerator.num_processes,
            "seed": problem.seed,
            "budgets": [limit_identity(limit) for limit in problem.limits],
        },
        accelerator=accelerator,
        progress=session.progress,
    )
    return SearchedTrials(problem.space, task.trials, settings, time.monotonic() - started)


def sampling_method(
    name: str, settings: type[TrialSettings] = TrialSettings
) -> Callable[[_Sampler], _Sampler]:
    """Make a sampler known as a method of searching.

    Args:
        name: that ``--method`` takes.
        settings: of its trials, where it has some of its own.
    """

    def register(make_sampler: _Sampler) -> _Sampler:
        # Trials within the loosest of a sweep's budgets serve all of them.
        search = partial(search_by_trials, make_sampler=make_sampler)
        register_method(Method(name, settings, search, max))
        return make_sampler

    return register
