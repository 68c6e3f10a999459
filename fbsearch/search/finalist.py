"""An architecture that a search ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fbsearch.architecture import Architecture
from fbsearch.spaces import Code


@dataclass(frozen=True)
class Finalist:
    """An architecture within the budgets that the search ends with.

    Args:
        code: of the architecture in its space.
        architecture: that ``code`` stands for.
        predicted_us: by the tables, by target.
        val_accuracy: on the validation images, as the search knows it; None where it has not trained.
        source: how it was found, in a few words.
        log_probability: log P where the search has a distribution; None elsewhere.
        measured_us: on targets as a whole network, where that was done.
        score: that the search went by instead of accuracies; of several, what their ranks make.
    """

    code: Code
    architecture: Architecture
    predicted_us: Mapping[str, float]
    val_accuracy: float | None
    source: str
    log_probability: float | None = None
    measured_us: Mapping[str, float] = field(default_factory=dict)
    score: float | None = None

    @property
    def worth(self) -> float:
        """What finalists of one search are ranked by: the score, or else the validation accuracy."""
        worth = self.val_accuracy if self.score is None else self.score
        assert worth is not None  # a search knows one of them
        return worth
