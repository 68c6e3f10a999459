"""Scoring trained networks: resumed, in processes, with proxies that have no score for some of them."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from fbsearch.errors import CheckpointError, InvalidInputError, ProxyError
from fbsearch.pipeline.stages.proxy_evaluation import scoring
from fbsearch.pipeline.stages.proxy_evaluation.evaluating import (
    evaluate_proxies,
    journal_path,
    with_baselines,
)
from fbsearch.pipeline.stages.proxy_evaluation.score_journal import ScoreJournal
from fbsearch.pipeline.stages.proxy_evaluation.scoring import ScoringSettings, score_networks
from fbsearch.pipeline.stages.proxy_evaluation.trained_networks import TrainedNetwork
from fbsearch.proxies import find_proxy
from fbsearch.proxies.evaluation import BASELINES
from fbsearch.spaces import load_space

SPACE = load_space("digits")
CODES = ((0, 0, 0, 0), (1, 5, 1, 5), (2, 1, 2, 1), (4, 4, 4, 4), (0, 5, 5, 5))
ARCHITECTURES = [SPACE.decode(code) for code in CODES]
SETTINGS = ScoringSettings(repeats=2, seed=3, batch_size=4)


@dataclass(frozen=True)
class Noted:
    """Draws a number, and notes down that it did."""

    notes: Path
    name: str = "noted"
    label: str = "a drawn number"
    is_random: bool = True

    def score(self, subject, *, generator, batch_size):
        with self.notes.open("a") as file:
            file.write(f"{subject.name}\n")
        return float(torch.rand((), generator=generator)) + 1e-6 * batch_size


@dataclass(frozen=True)
class Overflowing:
    """Has no score for the first network."""

    name: str = "deep"
    label: str = "a score of shallow networks"
    is_random: bool = False

    def score(self, subject, *, generator, batch_size):
        if subject.name == ARCHITECTURES[0].name:
            raise ProxyError("it overflows")
        return 1.0


@dataclass(frozen=True)
class Killer:
    """Kills its process, as the system does for want of memory: the first time, or always."""

    notes: Path
    once: bool
    name: str = "killer"
    label: str = "a dangerous score"
    is_random: bool = False

    def score(self, subject, *, generator, batch_size):
        if subject.name == ARCHITECTURES[2].name and not (self.once and self.notes.exists()):
            self.notes.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return float(len(subject.name))


def scored(path, proxies, *, workers=1, architectures=ARCHITECTURES, settings=SETTINGS):
    with ScoreJournal(path) as journal:
        rows = score_networks(
            architectures, proxies, settings, journal=journal, workers=workers, progress=False
        )
    return [[one.score for one in row] for row in rows]


def test_what_is_journalled_is_not_scored_again(tmp_path):
    journal, noted = tmp_path / "scores.jsonl", Noted(tmp_path / "notes")
    some = scored(journal, [noted], architectures=ARCHITECTURES[:3])
    assert len(noted.notes.read_text().splitlines()) == 3 * 2
    rows = scored(journal, [noted, find_proxy("params")])
    assert len(noted.notes.read_text().splitlines()) == 5 * 2
    assert rows[0][:3] == some[0]
    assert rows == scored(tmp_path / "at_once.jsonl", [noted, find_proxy("params")])
    scored(journal, [noted], settings=ScoringSettings(repeats=1, seed=3, batch_size=4))
    assert len(noted.notes.read_text().splitlines()) == 10 * 2 + 5, "other settings are other scores"


def test_a_score_that_overflows_is_told_and_ranks_last(tmp_path):
    networks = [TrainedNetwork(f"line {i + 2}", one, 0.1 * i) for i, one in enumerate(ARCHITECTURES)]
    found = evaluate_proxies(
        networks, with_baselines([Overflowing()]), SETTINGS, journal=tmp_path / "j.jsonl", progress=False
    )
    assert found.population.scores["deep"] == (-math.inf, 1, 1, 1, 1)
    figures = found.to_dict()["proxies"]["deep"]
    assert figures["num_failed"] == 1 and "it overflows" in figures["reason"]
    assert "has no score for 1 of 5 networks, which rank last" in figures["verdict"]
    assert figures["seconds_per_network"] >= 0
    assert figures["kendall_tau"] == pytest.approx(4 / math.sqrt(4 * 10))


def test_baselines_stand_behind_the_proxies_once_each():
    names = [one.name for one in with_baselines([find_proxy("macs"), find_proxy("zen")])]
    assert names[:2] == ["zen", "macs"] and len(set(names)) == len(names)
    assert set(names) == {"zen", *BASELINES} - {"latency"}


def test_what_has_no_order_is_refused_before_anything_is_scored(tmp_path):
    noted = Noted(tmp_path / "notes")
    networks = [TrainedNetwork("line", one, 0.5) for one in ARCHITECTURES]
    with pytest.raises(InvalidInputError, match=r"all 5 networks have the accuracy 0\.5"):
        evaluate_proxies(networks, [noted], SETTINGS, journal=tmp_path / "j.jsonl", progress=False)
    assert not noted.notes.exists()


def test_scores_are_kept_beside_the_networks_or_where_was_asked(tmp_path):
    csv, folder = tmp_path / "trained.csv", tmp_path / "run"
    folder.mkdir()
    assert journal_path(csv, None) == tmp_path / "trained.csv.scores.jsonl"
    assert journal_path(folder, None) == folder / "proxy.scores.jsonl"
    assert journal_path(csv, folder) == folder / "trained.csv.scores.jsonl"


@pytest.mark.ci
def test_the_number_of_workers_does_not_matter(tmp_path):
    proxies = [find_proxy(name) for name in ("zen", "naswot", "snip", "params", "depth")]
    alone = scored(tmp_path / "alone.jsonl", proxies)
    assert scored(tmp_path / "two.jsonl", proxies, workers=2) == alone


@pytest.mark.ci
def test_a_killed_process_costs_what_was_under_way(tmp_path):
    killer = Killer(tmp_path / "killed", once=True)
    assert scored(tmp_path / "j.jsonl", [killer], workers=2) == [[len(one.name) for one in ARCHITECTURES]]
    assert killer.notes.exists()


@pytest.mark.ci
def test_processes_that_are_killed_again_and_again_end_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "_MOST_LOSSES", 0)
    killer = Killer(tmp_path / "killed", once=False)
    with pytest.raises(CheckpointError, match=r"killed again and again.* fewer workers than 2"):
        scored(tmp_path / "j.jsonl", [killer], workers=2)
