"""Between the generations of a search in an open space: what leading candidates take is measured for real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fbsearch.architecture import Architecture
from fbsearch.pipeline.targets.growing import grow_for
from fbsearch.pipeline.targets.search import latency_on
from fbsearch.pipeline.targets.target import Target
from fbsearch.search import Limit
from fbsearch.spaces import Space


class GrowingLimits:
    """The limits of a search in an open space, as they look when the leaders' operators are measured.

    What is measured joins the target's table, in its file, so that none of it is lost when the search is
    killed.

    Args:
        targets: whose tables grow.
        space: that is searched.
        limits: of latency on each target, in their order, and any others behind them.
    """

    def __init__(self, targets: Sequence[Target], space: Space, limits: Sequence[Limit]) -> None:
        self._targets = targets
        self._space = space
        self._limits = tuple(limits)

    def __call__(self, leaders: Sequence[Architecture]) -> Sequence[Limit] | None:
        """Measure on every target what its table lacks of ``leaders``.

        Returns:
            All limits, with the latencies as they look now; None where nothing was missing.

        Raises:
            FbsearchError: as growing a table raises it.
        """
        grown = [grow_for(target, leaders) for target in self._targets]
        if not any(grown):
            return None
        latencies = [
            replace(limit, cost=latency_on(target, self._space)) if is_grown else limit
            for target, limit, is_grown in zip(self._targets, self._limits, grown, strict=False)
        ]
        self._limits = (*latencies, *self._limits[len(latencies) :])
        return self._limits
