"""What a search would take: said before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.search.method import find_method
from fbsearch.search.problem import Problem


@dataclass(frozen=True)
class Rehearsal:
    """What a search would do.

    Args:
        effort: how much, in words.
        seconds: how long, from a few steps that were tried; None where the method has none to try.
    """

    effort: str
    seconds: float | None

    @property
    def words(self) -> str:
        """Both, for people."""
        if self.seconds is None:
            return self.effort
        left = f"{self.seconds:.0f} s" if self.seconds < 120 else f"{self.seconds / 60:.0f} min"
        return f"{self.effort}, about {left} by what a few took"


def rehearse(problem: Problem) -> Rehearsal:
    """Try a few steps of a search, and tell what the whole would take.

    Raises:
        FbsearchError: as the search itself would raise it.
    """
    method, settings = find_method(problem.settings.method), problem.settings
    seconds = None if method.seconds is None else method.seconds(problem)
    return Rehearsal(settings.effort, seconds)
