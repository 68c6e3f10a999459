"""What an evolution found: finalists within budgets, as often as they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.errors import BudgetError
from fbsearch.nn import Network
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit, predict_us
from fbsearch.search.result import Scored, SearchResult
from fbsearch.search.trials.evolution.member import Member, merits
from fbsearch.search.trials.evolution.settings import EvolutionSettings
from fbsearch.search.trials.evolution.survival import first_front
from fbsearch.spaces import Space

WARNING = (
    "a score is no promise: its theory covers plain chains, not cells, and nets of lower score were found to "
    "train better; compare with the trivial baselines on your own data (fbsearch proxy evaluate)"
)


@dataclass(frozen=True)
class SearchedEvolution:
    """What an evolution found.

    Args:
        space: that was searched.
        population: at the end.
        archive: what was scored, the population among it.
        against: the limit that a Pareto front stands against; None where only the score counts.
        settings: of the search.
        seconds: wall time of the search.
    """

    space: Space
    population: tuple[Member, ...]
    archive: tuple[Member, ...]
    against: Limit | None
    settings: EvolutionSettings
    seconds: float

    def finalists(
        self, limits: Sequence[Limit], *, excluded: Collection[Architecture] = ()
    ) -> list[Finalist]:
        """The best of all that was scored within the budgets, each architecture once.

        Args:
            limits: the budgets.
            excluded: architectures that are out of the question.

        Raises:
            BudgetError: if there is none.
        """
        found: dict[Architecture, Finalist] = {}
        for merit, member in self._ranked:
            if len(found) == self.settings.num_finalists:
                break
            if all(limit.admits(member.code) for limit in limits):
                architecture = self.space.decode(member.code)
                if architecture not in excluded:
                    found.setdefault(architecture, self._finalist(merit, member, architecture, limits))
        if not found:
            raise BudgetError(
                f"none of the {len(self.archive)} structures that were scored is left within the budgets: "
                "raise search.steps, or a budget"
            )
        return list(found.values())

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
            scored=self._scored(limits),
            notice=WARNING,
        )

    def trained(self, architecture: Architecture) -> Network | None:
        """None: nothing is trained."""
        return None

    @cached_property
    def _ranked(self) -> list[tuple[float, Member]]:
        values = merits(self.archive)
        order = np.argsort(-values, kind="stable")
        return [(float(values[index]), self.archive[index]) for index in order]

    def _finalist(
        self, merit: float, member: Member, architecture: Architecture, limits: Sequence[Limit]
    ) -> Finalist:
        return Finalist(
            code=member.code,
            architecture=architecture,
            predicted_us=predict_us(limits, member.code),
            val_accuracy=None,
            source="evolved",
            score=merit,
        )

    def _scored(self, limits: Sequence[Limit]) -> tuple[Scored, ...]:
        """The population with its costs; of a Pareto search, whether nothing beats a member."""
        values = merits(self.population)
        costs = [[limit.cost.of(member.code) for limit in limits] for member in self.population]
        front = self._front(values)
        return tuple(
            Scored(
                code=member.code,
                scores=dict(zip(self.settings.proxy, member.scores, strict=True)),
                costs=dict(zip((limit.name for limit in limits), cost, strict=True)),
                is_dominated=index not in front,
            )
            for index, (member, cost) in enumerate(zip(self.population, costs, strict=True))
        )

    def _front(self, values: np.typing.NDArray[np.float64]) -> Collection[int]:
        if self.against is None or not self.population:
            return {int(np.argmax(values))} if len(values) else ()
        costs = [self.against.cost.of(member.code) for member in self.population]
        return set(first_front(np.stack([-values, np.array(costs)], axis=1)).tolist())
