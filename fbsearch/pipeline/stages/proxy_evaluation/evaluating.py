"""Evaluate proxies: trained networks in, what each score is worth on them out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbsearch.pipeline.stages.proxy_evaluation.past_trials import read_past_trials
from fbsearch.pipeline.stages.proxy_evaluation.score_journal import JournalledScore, ScoreJournal
from fbsearch.pipeline.stages.proxy_evaluation.scoring import ScoringSettings, score_networks
from fbsearch.pipeline.stages.proxy_evaluation.trained_networks import TrainedNetwork, read_trained_networks
from fbsearch.proxies import Proxy, find_proxy, proxy_names
from fbsearch.proxies.evaluation import (
    BASELINES,
    Evaluation,
    ScoredPopulation,
    check_ensembles,
    check_order,
    evaluate_population,
)
from fbsearch.spaces import Space


@dataclass(frozen=True)
class EvaluatedProxies:
    """What scores are worth on a population, and what they took.

    Args:
        population: the networks with their scores.
        evaluation: of them.
        seconds: of each proxy the median time for a network, in a process of one thread.
        reasons: of each proxy that has no score for some networks, why for the first of them.
    """

    population: ScoredPopulation
    evaluation: Evaluation
    seconds: Mapping[str, float]
    reasons: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        data = self.evaluation.to_dict()
        for name, figures in data["proxies"].items():
            figures["seconds_per_network"] = self.seconds[name]
            figures["reason"] = self.reasons.get(name)
        return data


def read_population(source: Path, space: Space | None) -> tuple[TrainedNetwork, ...]:
    """Trained networks of a CSV file, or of a run's folder.

    Raises:
        InvalidInputError, CheckpointError: naming what is wrong, and where.
    """
    return read_past_trials(source, space) if source.is_dir() else read_trained_networks(source, space)


def journal_path(source: Path, out: Path | None) -> Path:
    """Where the scores of a population are kept: beside its file, in its folder, or in another one."""
    if out is not None:
        return out / f"{source.name}.scores.jsonl"
    return (
        source / "proxy.scores.jsonl" if source.is_dir() else source.with_name(f"{source.name}.scores.jsonl")
    )


def with_baselines(proxies: Sequence[Proxy]) -> tuple[Proxy, ...]:
    """Each proxy once, and after them the trivial baselines that need nothing but the network."""
    named = {proxy.name: proxy for proxy in proxies}
    for name in BASELINES:
        if name in proxy_names():
            named.setdefault(name, find_proxy(name))
    return tuple(sorted(named.values(), key=lambda proxy: proxy.name in BASELINES))


def evaluate_proxies(
    networks: Sequence[TrainedNetwork],
    proxies: Sequence[Proxy],
    settings: ScoringSettings,
    *,
    journal: Path,
    ensembles: Sequence[Sequence[str]] = (),
    workers: int = 1,
    progress: bool = True,
) -> EvaluatedProxies:
    """Score trained networks, and say how well each score orders them.

    Args:
        networks: with their accuracies.
        proxies: what scores them, a baseline among them.
        settings: how, with the seed of the resamples too.
        journal: a file that keeps every score; an interrupted call goes on from there.
        ensembles: names of each one's members.
        workers: processes.
        progress: show progress.

    Raises:
        InvalidInputError: if the networks have no order, or an ensemble's member no scores.
        CheckpointError: if the journal cannot be used.
    """
    check_order([network.accuracy for network in networks])
    check_ensembles(ensembles, [proxy.name for proxy in proxies])
    architectures = [network.architecture for network in networks]
    with ScoreJournal(journal) as scores:
        table = score_networks(
            architectures, proxies, settings, journal=scores, workers=workers, progress=progress
        )
    rows = {proxy.name: row for proxy, row in zip(proxies, table, strict=True)}
    population = ScoredPopulation(
        accuracies=tuple(network.accuracy for network in networks),
        scores={name: tuple(one.rank_score for one in row) for name, row in rows.items()},
        labels={proxy.name: proxy.label for proxy in proxies},
    )
    return EvaluatedProxies(
        population=population,
        evaluation=evaluate_population(population, ensembles=ensembles, seed=settings.seed),
        seconds={name: statistics.median(one.seconds for one in row) for name, row in rows.items()},
        reasons=_reasons(rows),
    )


def _reasons(rows: Mapping[str, Sequence[JournalledScore]]) -> dict[str, str]:
    failed = {name: [one.reason for one in row if one.reason] for name, row in rows.items()}
    return {name: reasons[0] for name, reasons in failed.items() if reasons}
