"""What proposes architectures to a search by trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fbsearch.search.trials.settings import TrialSettings
from fbsearch.spaces import Code, Space


class Sampler(Protocol):
    """Proposes architectures of a space, and may learn from what they are worth.

    The life of one: made from a space, the settings and a seed; then for each trial ``ask`` until a proposal
    keeps the budgets, its evaluation, and ``tell``; ``state_dict`` after it. What it draws depends on the
    seed and on what was asked and told before, on nothing else: then a search that was killed and resumed
    asks what it would have asked.
    """

    def ask(self) -> Code:
        """An architecture to try; one that breaks a budget is answered with the next ``ask``."""

    def tell(self, code: Code, score: float) -> None:
        """What an architecture is worth, the higher the better."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that later proposals depend on, as :func:`fbsearch.train.save_state` takes it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""


MakeSampler = Callable[[Space, TrialSettings, int], Sampler]
"""A space, the settings and a seed to a sampler, such as its class."""
