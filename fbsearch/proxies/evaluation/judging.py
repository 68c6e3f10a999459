"""A proxy's correlations with their intervals, and how it stands to the best trivial baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fbsearch.proxies.ensemble import rank_log
from fbsearch.proxies.evaluation.correlations import Floats, kendall_taus, spearman_rhos
from fbsearch.proxies.evaluation.population import ScoredPopulation
from fbsearch.proxies.evaluation.resampling import Estimate, estimate, everyone
from fbsearch.proxies.evaluation.verdict import beats, in_words


@dataclass(frozen=True)
class Judgement:
    """What one score, or an ensemble's, is worth on a population.

    Args:
        members: names of the proxies that make it: one, or an ensemble's.
        label: in words.
        is_baseline: whether it is trivial.
        tau: Kendall's τ-b with the accuracies.
        rho: Spearman's ρ.
        difference: of τ to the best baseline's, in the same resamples; None for a baseline.
        num_failed: networks that have no such score; they rank last.
        verdict: in words.
    """

    members: tuple[str, ...]
    label: str
    is_baseline: bool
    tau: Estimate
    rho: Estimate
    difference: Estimate | None
    num_failed: int
    verdict: str

    @property
    def beats_baselines(self) -> bool | None:
        """Whether it is better than the best of them; None for one of them."""
        return None if self.difference is None else beats(self.difference)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        difference = self.difference
        return {
            "label": self.label,
            "is_baseline": self.is_baseline,
            **self.tau.to_dict("kendall_tau", "interval"),
            **self.rho.to_dict("spearman_rho", "spearman_interval"),
            "difference": None if difference is None else difference.value,
            "difference_interval": None if difference is None else list(difference.interval),
            "beats_baselines": self.beats_baselines,
            "num_failed": self.num_failed,
            "verdict": self.verdict,
        }


class Judge:
    """Judges scores on the same resamples of a population, so that they can be compared.

    Args:
        population: the networks.
        resamples: ``B x N``, how often each stands in each.
    """

    def __init__(self, population: ScoredPopulation, resamples: Floats) -> None:
        self._population = population
        self._resamples = resamples
        values = {name: self._taus(population.score_array(name)) for name in population.baselines}
        self.best_baseline = max(values, key=lambda name: values[name][0])
        self._best_value, self._best_taus = values[self.best_baseline]

    def proxy(self, name: str) -> Judgement:
        """What a proxy, or a baseline, is worth."""
        return self._judge((name,), self._population.score_array(name))

    def ensemble(self, members: Sequence[str]) -> Judgement:
        """What the rank-log ensemble of some proxies is worth; the ranks are among all networks."""
        return self._judge(tuple(members), ensemble_scores(self._population, members))

    def _judge(self, members: tuple[str, ...], scores: Floats) -> Judgement:
        population = self._population
        is_baseline = all(name in population.baselines for name in members)
        value, taus = self._taus(scores)
        tau = estimate(value, taus)
        difference = None if is_baseline else estimate(value - self._best_value, taus - self._best_taus)
        num_failed = max(population.num_failed(name) for name in members)
        words = in_words(tau, difference, population.labels[self.best_baseline])
        if members == (self.best_baseline,):
            words = f"the best {words}"
        return Judgement(
            members=members,
            label=" + ".join(population.labels[name] for name in members),
            is_baseline=is_baseline,
            tau=tau,
            rho=self._rho(scores),
            difference=difference,
            num_failed=num_failed,
            verdict=words + _failures(num_failed, len(population)),
        )

    def _taus(self, scores: Floats) -> tuple[float, Floats]:
        accuracies = self._population.accuracy_array
        value = kendall_taus(scores, accuracies, everyone(len(accuracies)))[0]
        return float(value), kendall_taus(scores, accuracies, self._resamples)

    def _rho(self, scores: Floats) -> Estimate:
        accuracies = self._population.accuracy_array
        value = spearman_rhos(scores, accuracies, everyone(len(accuracies)))[0]
        return estimate(float(value), spearman_rhos(scores, accuracies, self._resamples))


def ensemble_scores(population: ScoredPopulation, members: Sequence[str]) -> Floats:
    """``N``: the sum over proxies of ln(rank / N)."""
    scores: Mapping[str, tuple[float, ...]] = {name: population.scores[name] for name in members}
    return rank_log(scores)


def _failures(num_failed: int, num_networks: int) -> str:
    if not num_failed:
        return ""
    return f"; has no score for {num_failed} of {num_networks} networks, which rank last"
