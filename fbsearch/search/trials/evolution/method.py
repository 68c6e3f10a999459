"""Evolution as a method of searching: ``--method zen`` (Zen-NAS, Lin et al., 2021)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fbsearch.errors import InvalidInputError
from fbsearch.search.limit import Limit
from fbsearch.search.method import Method, Session, register_method
from fbsearch.search.problem import Problem, limit_identity
from fbsearch.search.trials.evolution.member import Member
from fbsearch.search.trials.evolution.searched import SearchedEvolution
from fbsearch.search.trials.evolution.settings import EvolutionSettings
from fbsearch.search.trials.evolution.survival import Survival, best_survive, front_survives
from fbsearch.search.trials.evolution.task import EvolutionTask
from fbsearch.search.trials.workers import open_crew
from fbsearch.train import run_epochs


def search_by_evolution(problem: Problem, session: Session) -> SearchedEvolution:
    """Evolve structures that keep all budgets.

    Raises:
        BudgetError: if no structure keeps the budgets.
        ProxyError: if none has a score.
        InvalidInputError: if the Pareto front is asked for against no budget.
    """
    settings = problem.settings
    assert isinstance(settings, EvolutionSettings)  # as the method is registered
    started = time.monotonic()
    against = _against(problem.limits, settings)
    with open_crew(settings.workers) as crew:
        task = EvolutionTask(problem, settings, crew, _survival(against))
        run_epochs(
            task,
            folder=session.folder,
            title="search",
            unit="generation",
            resume=session.resume,
            identity=_identity(problem, settings),
            accelerator=session.accelerator,
            progress=session.progress,
        )
    seconds = time.monotonic() - started
    population, archive = tuple(task.population), tuple(task.archive.values())
    return SearchedEvolution(problem.space, population, archive, against, settings, seconds)


def _identity(problem: Problem, settings: EvolutionSettings) -> dict[str, object]:
    """All that the result depends on, but for latencies that become known while it runs."""
    changes = problem.between is not None
    return {
        "space": problem.space.fingerprint,
        "settings": settings.identity(),
        "seed": problem.seed,
        "budgets": [
            [limit.name, limit.bound] if changes and limit.target is not None else limit_identity(limit)
            for limit in problem.limits
        ],
    }


def _against(limits: Sequence[Limit], settings: EvolutionSettings) -> Limit | None:
    if settings.objective == "score":
        return None
    named = [limit for limit in limits if settings.against in (None, limit.name, limit.cost.name)]
    if not named:
        names = ", ".join(limit.name for limit in limits) or "none"
        raise InvalidInputError(
            f"a Pareto front stands against a budget's cost, and {settings.against or 'no budget'} is given: "
            f"there are {names}; give a budget, or search.against one of them"
        )
    return named[0]


def _survival(against: Limit | None) -> Survival:
    if against is None:
        return best_survive
    cost_of: Callable[[Member], float] = lambda member: against.cost.of(member.code)  # noqa: E731
    return front_survives(cost_of)


def rehearse_evolution(problem: Problem) -> float:
    """Seconds that a search would take: as long as one generation of draws from the space, per generation.

    Raises:
        FbsearchError: as the search raises it.
    """
    settings = problem.settings
    assert isinstance(settings, EvolutionSettings)  # as the method is registered
    with open_crew(settings.workers) as crew:
        task = EvolutionTask(problem, settings, crew)
        task.run_epoch(0, lambda done, total: None)  # workers start, torch warms up
        started = time.monotonic()
        task.run_epoch(1, lambda done, total: None)
        return (time.monotonic() - started) * task.num_epochs


register_method(
    Method("zen", EvolutionSettings, search_by_evolution, max, needs_data=False, seconds=rehearse_evolution)
)
