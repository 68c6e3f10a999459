"""Random search: the baseline that every other method has to beat (Li & Talwalkar, 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fbsearch.search.trials.search import sampling_method
from fbsearch.search.trials.settings import TrialSettings
from fbsearch.spaces import Code, Space


@sampling_method("random")
class RandomSampler:
    """Draws every architecture anew, whatever the ones before it were worth.

    Args:
        space: to draw from.
        settings: of the trials.
        seed: of the draws.
    """

    def __init__(self, space: Space, settings: TrialSettings, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._num_asked = 0

    def ask(self) -> Code:
        """The next draw."""
        rng = np.random.default_rng([self._seed, 4, self._num_asked])
        self._num_asked += 1
        return self._space.sample(rng)

    def tell(self, code: Code, score: float) -> None:
        """Nothing to learn."""

    def state_dict(self) -> dict[str, Any]:
        """How many were drawn."""
        return {"num_asked": self._num_asked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after as many."""
        self._num_asked = state["num_asked"]
