"""The best ensemble: chosen on some networks, judged on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from fbsearch.proxies.evaluation.correlations import Floats, kendall_taus
from fbsearch.proxies.evaluation.judging import ensemble_scores
from fbsearch.proxies.evaluation.population import ScoredPopulation
from fbsearch.proxies.evaluation.resampling import NUM_HALVES, Estimate, estimate, everyone, half_weights
from fbsearch.proxies.evaluation.verdict import beats, in_words

MIN_NETWORKS = 12
"""Fewer have no two halves to speak of."""

SIZES = (2, 3)

Members = tuple[str, ...]


@dataclass(frozen=True)
class ChosenEnsemble:
    """The best of many ensembles.

    Its τ on the networks that it was chosen with flatters it. So the choice is repeated: on a random half of
    the networks the best ensemble and the best baseline are chosen, on the other half their τ is taken.

    Args:
        members: chosen on all networks.
        num_candidates: among how many.
        apparent_tau: on the networks that it was chosen with.
        tau: of the choice on a half, on the other half: the mean over halves, and its spread.
        difference: likewise to the best baseline, chosen on the first half too.
        agreement: share of the halves on which the very same ensemble was chosen.
        verdict: in words.
    """

    members: Members
    num_candidates: int
    apparent_tau: float
    tau: Estimate
    difference: Estimate
    agreement: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "members": list(self.members),
            "num_candidates": self.num_candidates,
            "apparent_kendall_tau": self.apparent_tau,
            **self.tau.to_dict("kendall_tau", "interval"),
            **self.difference.to_dict("difference", "difference_interval"),
            "beats_baselines": beats(self.difference),
            "agreement": self.agreement,
            "verdict": self.verdict,
        }


def candidates(population: ScoredPopulation) -> Iterator[Members]:
    """All pairs and triples, at least one of which is no baseline."""
    for size in SIZES:
        for members in combinations(population.scores, size):
            if not set(members) <= set(population.baselines):
                yield members


def choose_ensemble(
    population: ScoredPopulation, *, seed: int, num_halves: int = NUM_HALVES
) -> ChosenEnsemble | None:
    """The best pair or triple, with what such a choice is worth on other networks.

    Args:
        population: the networks with their scores.
        seed: of the halves.
        num_halves: how often the choice is repeated.

    Returns:
        None where there are too few networks, or no two proxies.
    """
    scores = {members: ensemble_scores(population, members) for members in candidates(population)}
    if len(population) < MIN_NETWORKS or not scores:
        return None
    [members] = _best(scores, population, everyone(len(population)))
    halves = half_weights(len(population), num_halves=num_halves, seed=seed)
    chosen = _best(scores, population, halves)
    taus = _taus_elsewhere(scores, chosen, population, halves)
    baselines: dict[Members, Floats] = {
        (name,): population.score_array(name) for name in population.baselines
    }
    differences = taus - _taus_elsewhere(baselines, _best(baselines, population, halves), population, halves)
    tau = estimate(float(np.nanmean(taus)), taus)
    difference = estimate(float(np.nanmean(differences)), differences)
    return ChosenEnsemble(
        members=members,
        num_candidates=len(scores),
        apparent_tau=float(_taus_elsewhere(scores, [members], population, 0 * halves[:1])[0]),
        tau=tau,
        difference=difference,
        agreement=sum(one == members for one in chosen) / num_halves,
        verdict=in_words(tau, difference, "the best baseline"),
    )


def _best(scores: Mapping[Members, Floats], population: ScoredPopulation, samples: Floats) -> list[Members]:
    """Of each sample the ensemble with the highest τ on it, the first of equals."""
    names = list(scores)
    table = [kendall_taus(scores[name], population.accuracy_array, samples) for name in names]
    best = np.argmax(np.nan_to_num(np.stack(table), nan=-2.0), axis=0)
    return [names[index] for index in best]


def _taus_elsewhere(
    scores: Mapping[Members, Floats], chosen: Sequence[Members], population: ScoredPopulation, samples: Floats
) -> Floats:
    """The τ of each sample's choice on the networks that the sample leaves out."""
    taus = np.empty(len(chosen))
    for members in set(chosen):
        rows = np.array([one == members for one in chosen])
        taus[rows] = kendall_taus(scores[members], population.accuracy_array, 1 - samples[rows])
    return taus
