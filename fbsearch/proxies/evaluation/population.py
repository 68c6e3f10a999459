"""Networks with what they came to in a training, and what was said of them before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fbsearch.errors import InvalidInputError
from fbsearch.proxies.evaluation.correlations import Floats

MIN_NETWORKS = 3

BASELINES = ("params", "macs", "num_convs", "num_nonidentity_layers", "depth", "latency")
"""What needs no theory, by name: a score that does not beat all of these is not worth its time."""


@dataclass(frozen=True)
class ScoredPopulation:
    """N networks, trained alike, with their scores.

    Args:
        accuracies: N shares.
        scores: by proxy, N numbers, higher where better ones are expected; -inf for a network without.
        labels: of the proxies, in words.

    Raises:
        InvalidInputError: if there are too few networks, all are equally accurate, or none of the proxies is
            a baseline.
    """

    accuracies: tuple[float, ...]
    scores: Mapping[str, tuple[float, ...]]
    labels: Mapping[str, str]

    def __post_init__(self) -> None:
        check_order(self.accuracies)
        if not self.baselines:
            raise InvalidInputError(f"no score is a baseline: add one of {', '.join(BASELINES)}")
        assert all(len(values) == len(self) for values in self.scores.values())

    def __len__(self) -> int:
        return len(self.accuracies)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Those of the proxies that are trivial."""
        return tuple(name for name in self.scores if name in BASELINES)

    @property
    def proxies(self) -> tuple[str, ...]:
        """Those that are not."""
        return tuple(name for name in self.scores if name not in BASELINES)

    @cached_property
    def accuracy_array(self) -> Floats:
        """The accuracies: ``N``."""
        return np.asarray(self.accuracies, np.float64)

    def score_array(self, name: str) -> Floats:
        """The scores of a proxy: ``N``."""
        return np.asarray(self.scores[name], np.float64)

    def num_failed(self, name: str) -> int:
        """How many networks have no such score."""
        return int(np.isneginf(self.score_array(name)).sum())


def check_order(accuracies: Sequence[float]) -> None:
    """Refuse accuracies that order nothing.

    Raises:
        InvalidInputError: if there are too few, or all are equal.
    """
    if len(accuracies) < MIN_NETWORKS:
        raise InvalidInputError(
            f"{len(accuracies)} networks have no order to speak of: give {MIN_NETWORKS} or more"
        )
    if len(set(accuracies)) == 1:
        raise InvalidInputError(
            f"all {len(accuracies)} networks have the accuracy {accuracies[0]:g}: there is nothing to order"
        )
