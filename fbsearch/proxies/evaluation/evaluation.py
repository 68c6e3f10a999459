"""Is a score any good here: every proxy, every baseline and their ensembles on one population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fbsearch.errors import InvalidInputError
from fbsearch.proxies.evaluation.choosing import ChosenEnsemble, choose_ensemble
from fbsearch.proxies.evaluation.judging import Judge, Judgement
from fbsearch.proxies.evaluation.population import ScoredPopulation
from fbsearch.proxies.evaluation.resampling import CONFIDENCE, NUM_RESAMPLES, bootstrap_weights

ALL = "all proxies"
"""Name of the ensemble that nobody had to choose."""


@dataclass(frozen=True)
class Evaluation:
    """What scores are worth on a population.

    Args:
        num_networks: of the population.
        num_resamples: behind each interval.
        seed: of the resamples.
        best_baseline: by name.
        baseline_label: the same in words.
        proxies: what each proxy and each baseline is worth, by name.
        ensembles: what the ensembles that were asked for are worth, by their members joined with ``+``, and
            that of all proxies, baselines apart.
        best_ensemble: the best pair or triple; None where there are too few networks to choose.
    """

    num_networks: int
    num_resamples: int
    seed: int
    best_baseline: str
    baseline_label: str
    proxies: Mapping[str, Judgement]
    ensembles: Mapping[str, Judgement]
    best_ensemble: ChosenEnsemble | None

    @property
    def summary(self) -> str:
        """One line."""
        judged = {name: one for name, one in self.proxies.items() if not one.is_baseline}
        best = self.proxies[self.best_baseline].tau.value
        beside = (
            f"the best trivial baseline, {self.baseline_label} (τ {best:.2f}, {self.num_networks} networks)"
        )
        if not judged:
            return f"{beside[0].upper()}{beside[1:]}, and no proxy beside it"
        beating = [name for name, one in judged.items() if one.beats_baselines]
        if not beating:
            none = "the proxy does not beat" if len(judged) == 1 else f"none of {len(judged)} proxies beats"
            return f"{none} {beside}"
        return f"{len(beating)} of {len(judged)} proxies beat {beside}: {', '.join(beating)}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        best = self.best_ensemble
        return {
            "num_networks": self.num_networks,
            "num_resamples": self.num_resamples,
            "confidence": CONFIDENCE,
            "seed": self.seed,
            "best_baseline": self.best_baseline,
            "summary": self.summary,
            "proxies": {name: one.to_dict() for name, one in self.proxies.items()},
            "ensembles": {
                name: {"members": list(one.members), **one.to_dict()} for name, one in self.ensembles.items()
            },
            "best_ensemble": None if best is None else best.to_dict(),
        }


def evaluate_population(
    population: ScoredPopulation,
    *,
    ensembles: Sequence[Sequence[str]] = (),
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Evaluation:
    """Judge all scores of a population on the same resamples.

    Args:
        population: networks with accuracies and scores.
        ensembles: members of each to be judged beside the best one and that of all proxies.
        seed: of the resamples.
        num_resamples: behind each interval.

    Raises:
        InvalidInputError: if an ensemble has a member without scores, or less than two.
    """
    check_ensembles(ensembles, tuple(population.scores))
    judge = Judge(population, bootstrap_weights(len(population), num_resamples=num_resamples, seed=seed))
    asked = {"+".join(members): members for members in map(_distinct, ensembles)}
    if len(population.proxies) > 1:
        asked[ALL] = population.proxies
    return Evaluation(
        num_networks=len(population),
        num_resamples=num_resamples,
        seed=seed,
        best_baseline=judge.best_baseline,
        baseline_label=population.labels[judge.best_baseline],
        proxies={name: judge.proxy(name) for name in population.scores},
        ensembles={name: judge.ensemble(members) for name, members in asked.items()},
        best_ensemble=choose_ensemble(population, seed=seed),
    )


def _distinct(members: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(members))


def check_ensembles(ensembles: Sequence[Sequence[str]], scored: Sequence[str]) -> None:
    """Refuse ensembles of what has no scores, or of less than two.

    Raises:
        InvalidInputError: naming the first one.
    """
    for members in ensembles:
        if not set(members) <= set(scored) or len(set(members)) < 2:
            raise InvalidInputError(
                f"ensemble {','.join(members)!r}: it takes two or more of {', '.join(scored)}"
            )
