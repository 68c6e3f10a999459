"""A supernet after its search: what it proposes, ranks and lends its weights to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.costs import FloatArray
from fbsearch.data import Loader
from fbsearch.nn import Network
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit
from fbsearch.search.relaxed.collapse import describe_collapse, describe_indecision
from fbsearch.search.relaxed.dnas import DnasTask
from fbsearch.search.relaxed.proposals import most_accurate, propose_finalists, rank_finalists
from fbsearch.search.relaxed.terms import describe_rough_zen
from fbsearch.search.result import SearchResult
from fbsearch.spaces import FactoredSpace


@dataclass(frozen=True)
class SearchedSupernet:
    """A supernet after its search: proposes and ranks architectures within budgets.

    Args:
        task: the supernet and the architecture distribution.
        calibration_loader: training images that recalibrate a child's norms.
        val_loader: images that rank.
        seed: of the sampled finalists.
        seconds: wall time of the search.
    """

    task: DnasTask
    calibration_loader: Loader
    val_loader: Loader
    seed: int
    seconds: float

    @property
    def space(self) -> FactoredSpace:
        """What was searched."""
        return self.task.space

    @property
    def log_probabilities(self) -> FloatArray:
        """``S x C``: log P, -inf where a slot has no such candidate."""
        log_p: FloatArray = self.task.distribution.log_probabilities().detach().cpu().double().numpy()
        return log_p

    def finalists(
        self, limits: Sequence[Limit], *, excluded: Collection[Architecture] = ()
    ) -> list[Finalist]:
        """The most probable architecture within the budgets and sampled ones, the most accurate first.

        Args:
            limits: the budgets.
            excluded: architectures that are out of the question.

        Raises:
            BudgetError: if no architecture keeps the budgets.
        """
        settings = self.task.settings
        return rank_finalists(
            self.task.supernet,
            propose_finalists(
                self.log_probabilities,
                limits,
                count=settings.num_finalists,
                rng=np.random.default_rng([self.seed, 1]),
                use=settings.budget_use,
                excluded=map(self.space.encode, excluded),
            ),
            log_probabilities=self.log_probabilities,
            limits=limits,
            calibration_loader=self.calibration_loader,
            calibration_batches=settings.calibration_batches,
            val_loader=self.val_loader,
            device=self.task.distribution.logits.device,
        )

    def choose(self, finalists: Sequence[Finalist]) -> int:
        """Index of the finalist to take, by validation accuracy and probability."""
        return most_accurate(finalists, num_images=len(self.val_loader.image_set))

    def result(self, limits: Sequence[Limit], finalists: Sequence[Finalist], *, chosen: int) -> SearchResult:
        """The search's result with the finalist at ``chosen`` as its winner.

        Args:
            limits: the budgets that the finalists were found for.
            finalists: best first.
            chosen: index of the winner.
        """
        probabilities = np.exp(self.log_probabilities)
        return SearchResult(
            space=self.space,
            method=self.task.settings.method,
            limits=tuple(limits),
            finalists=tuple(finalists),
            chosen=chosen,
            seconds=self.seconds,
            probabilities=probabilities,
            collapse=describe_collapse(self.space, probabilities),
            undecided=describe_indecision(self.space, probabilities),
            rough_zen=describe_rough_zen(self.space, self.task.settings),
        )

    def trained(self, architecture: Architecture) -> Network:
        """The child with the supernet's weights."""
        return self.task.supernet.child(self.space.encode(architecture))
