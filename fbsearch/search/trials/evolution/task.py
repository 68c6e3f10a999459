"""The generations of an evolution."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from fbsearch.errors import BudgetError, ProxyError, SpaceError
from fbsearch.search.estimation import estimated_share
from fbsearch.search.problem import Problem
from fbsearch.search.trials.evolution.member import Member, merits
from fbsearch.search.trials.evolution.scoring import ScoringJob, run_job
from fbsearch.search.trials.evolution.settings import EvolutionSettings
from fbsearch.search.trials.evolution.survival import Survival, best_survive
from fbsearch.search.trials.workers import Crew
from fbsearch.spaces import Code
from fbsearch.train import Report

MOST_KEPT = 5000
"""Structures that were scored and are remembered, for finalists within other budgets: the best ones."""


class EvolutionTask:
    """Generations as epochs of :func:`fbsearch.train.run_epochs` (Lin et al., 2021, Algorithms 2 and 3).

    A step draws a structure: from the space until there are ``seeds`` members, then by mutating a member
    drawn at random. One that breaks a budget uses up its step; any other is scored and becomes a member, and
    the worst leave where there are more than ``population``. A generation is so many steps at once: they
    start from the same members, and each draws from a generator of its own, so that the order in which they
    are scored, and by whom, changes nothing.

    Args:
        problem: the space, the budgets, the seed, and what happens between generations.
        settings: of the evolution.
        crew: scores.
        survive: who stays.
    """

    def __init__(
        self, problem: Problem, settings: EvolutionSettings, crew: Crew, survive: Survival = best_survive
    ) -> None:
        self.num_epochs = -(-settings.steps // settings.generation)
        self.population: list[Member] = []
        self.archive: dict[Code, Member] = {}
        self.limits = problem.limits
        self._problem = problem
        self._settings = settings
        self._crew = crew
        self._survive = survive
        self._num_rejected = 0
        self._num_scored = 0
        self._num_without_score = 0

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Propose a generation, score it, and let the best survive.

        Raises:
            BudgetError: if nothing that was ever proposed keeps the budgets.
            ProxyError: if nothing that keeps them has a score.
            WorkerError: if workers die again and again.
        """
        first = epoch * self._settings.generation
        last = min(first + self._settings.generation, self._settings.steps)
        proposals = [code for step in range(first, last) if (code := self._propose(step)) is not None]
        self._num_rejected += last - first - len(proposals)
        self._score([code for code in dict.fromkeys(proposals) if code not in self.archive], report)
        self._admit([self.archive[code] for code in dict.fromkeys(proposals) if code in self.archive])
        self._check_not_empty(last)
        if (epoch + 1) % self._settings.measure_every == 0 or epoch + 1 == self.num_epochs:
            self._learn()
        return self._metrics()

    def state_dict(self) -> dict[str, Any]:
        """Members, what was scored, and the counts."""
        return {
            "population": [list(member.code) for member in self.population],
            "archive": [[list(member.code), list(member.scores)] for member in self.archive.values()],
            "counts": [self._num_rejected, self._num_scored, self._num_without_score],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned; members that break budgets known better now leave."""
        members = [Member(tuple(code), tuple(scores)) for code, scores in state["archive"]]
        self.archive = {member.code: member for member in members}
        self.population = [self.archive[tuple(code)] for code in state["population"]]
        self._num_rejected, self._num_scored, self._num_without_score = state["counts"]
        if self._problem.between is not None:
            self._drop_too_costly()

    def _propose(self, step: int) -> Code | None:
        """A structure within the budgets; None where there is none."""
        rng = np.random.default_rng([self._problem.seed, 5, step])
        space = self._problem.space
        if len(self.population) < self._settings.seeds:
            return next(
                filter(self._admits, (space.sample(rng) for _ in range(self._settings.attempts))), None
            )
        parent = self.population[rng.integers(len(self.population))]
        try:
            code = space.mutate(parent.code, rng)
        except SpaceError:
            return None
        return code if self._admits(code) else None

    def _admits(self, code: Code) -> bool:
        return all(limit.admits(code) for limit in self.limits)

    def _score(self, codes: Sequence[Code], report: Report) -> None:
        settings, space = self._settings, self._problem.space
        jobs = [
            ScoringJob(
                space.decode(code),
                settings.proxy,
                settings.repeats,
                settings.batch_size,
                self._problem.seed,
                settings.device,
            )
            for code in codes
        ]
        results = self._crew.map(run_job, jobs, lambda done: report(done, len(jobs)))
        for code, scores in zip(codes, results, strict=True):
            if scores is None:
                self._num_without_score += 1
            else:
                self._num_scored += 1
                self.archive[code] = Member(code, scores)

    def _admit(self, members: Sequence[Member]) -> None:
        """Make members of what was scored, and let the worst go."""
        known = set(self.population)
        grown = [*self.population, *(member for member in members if member not in known)]
        self.population = (
            grown
            if len(grown) <= self._settings.population
            else self._survive(grown, self._settings.population)
        )
        if len(self.archive) > MOST_KEPT:
            kept = {*best_survive(list(self.archive.values()), MOST_KEPT), *self.population}
            self.archive = {code: member for code, member in self.archive.items() if member in kept}

    def _learn(self) -> None:
        """Let the leaders be measured, and go by the limits as they are known then."""
        between = self._problem.between
        limits = None if between is None else between(list(map(self._problem.space.decode, self._leaders())))
        if limits is not None:
            self.limits = tuple(limits)
            self._drop_too_costly()

    def _leaders(self) -> list[Code]:
        leaders = best_survive(self.population, self._settings.leaders)
        return [leaders[index].code for index in np.argsort(-merits(leaders), kind="stable")]

    def _drop_too_costly(self) -> None:
        self.population = [member for member in self.population if self._admits(member.code)]

    def _check_not_empty(self, num_steps: int) -> None:
        if self.population or self._num_scored:
            return
        if self._num_without_score:
            raise ProxyError(
                f"none of {self._num_without_score} structures within the budgets has a "
                f"{self._settings.score_name} score: choose another --proxy, or another space"
            )
        raise BudgetError(
            f"none of {num_steps * self._settings.attempts:,} structures drawn from space "
            f"{self._problem.space.name!r} keeps the budgets: raise a budget, or give a space of smaller ones"
        )

    def _metrics(self) -> dict[str, float]:
        counts = {
            "num_scored": float(self._num_scored),
            "num_rejected": float(self._num_rejected),
            "num_without_score": float(self._num_without_score),
            "population": float(len(self.population)),
        }
        if not self.population:  # all broke budgets that were measured since
            return counts
        share = estimated_share(self.limits, self._leaders())
        if share is not None:
            counts["estimated_share"] = share
        best = self.population[int(np.argmax(merits(self.population)))]
        scores = [member.scores[0] for member in self.population]
        return {"best_score": best.scores[0], "median_score": statistics.median(scores), **counts}
