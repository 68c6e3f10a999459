"""Scores of many networks, in processes of one thread each, with a journal."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

import fbsearch
from fbsearch.architecture import Architecture
from fbsearch.errors import CheckpointError, ProxyError
from fbsearch.files import dump_json
from fbsearch.nn.threads import one_thread
from fbsearch.pipeline.stages.proxy_evaluation.score_journal import JournalledScore, ScoreJournal, score_key
from fbsearch.proxies import LatencyProxy, Proxy, score_subject, subject_of
from fbsearch.train.display import epoch_bar

_MOST_LOSSES = 2
"""How often killed processes are made up for: those that die again and again have a reason."""


@dataclass(frozen=True)
class ScoringSettings:
    """How a network is scored.

    Args:
        repeats: how often a random score is computed anew.
        seed: of all random numbers.
        batch_size: of the images.
    """

    repeats: int = 3
    seed: int = 0
    batch_size: int = 16

    def identity(self, proxy: Proxy) -> dict[str, Any]:
        """All that a score depends on beside the network; of a count not the settings."""
        versions = {"fbsearch": fbsearch.__version__, "torch": torch.__version__}
        if isinstance(proxy, LatencyProxy):
            return {
                **versions,
                "table": hashlib.sha256(dump_json(proxy.table.to_dict()).encode()).hexdigest(),
            }
        return {**versions, **(asdict(self) if proxy.is_random else {})}


@dataclass(frozen=True)
class ScoringTask:
    """A network and the scores of it that are missing, each with its key."""

    architecture: Architecture
    proxies: Mapping[str, Proxy]


def score_networks(
    architectures: Sequence[Architecture],
    proxies: Sequence[Proxy],
    settings: ScoringSettings,
    *,
    journal: ScoreJournal,
    workers: int,
    progress: bool,
) -> list[list[JournalledScore]]:
    """The scores of every network by every proxy; what the journal holds is not computed again.

    The scores do not depend on the number of workers: each is computed on one thread.

    Args:
        architectures: the networks.
        proxies: what scores them.
        settings: how.
        journal: takes the scores of a network as soon as all are known.
        workers: processes; one works within this one.
        progress: show progress.

    Returns:
        Of each proxy a row, of each network a column.

    Raises:
        CheckpointError: if the journal cannot be written, or processes are killed again and again.
    """
    identities = [settings.identity(proxy) for proxy in proxies]
    keys = [
        [score_key(network, proxy.name, identity) for network in architectures]
        for proxy, identity in zip(proxies, identities, strict=True)
    ]
    tasks = [
        ScoringTask(network, {column[row]: proxy for column, proxy in zip(keys, proxies, strict=True)})
        for row, network in enumerate(architectures)
    ]
    with epoch_bar("score", len(tasks), unit="network", enabled=progress) as show:
        missing = [_missing(task, journal) for task in tasks]
        todo = [task for task in missing if task.proxies]
        for scores in _each_scored(todo, settings, workers=workers):
            journal.add(scores)
            show(len(tasks) - sum(any(key not in journal for key in one.proxies) for one in todo), [])
    return [[journal[key] for key in column] for column in keys]


def _missing(task: ScoringTask, journal: ScoreJournal) -> ScoringTask:
    return ScoringTask(task.architecture, {k: one for k, one in task.proxies.items() if k not in journal})


def _each_scored(
    tasks: Sequence[ScoringTask], settings: ScoringSettings, *, workers: int
) -> Iterator[list[JournalledScore]]:
    """The scores of each task, in the order in which they end."""
    if min(workers, len(tasks)) <= 1:
        for task in tasks:
            yield score_task(task, settings)
        return
    waiting = dict(enumerate(tasks))
    for losses in range(_MOST_LOSSES + 1):
        with _surviving(is_last=losses == _MOST_LOSSES, num_waiting=len(waiting), workers=workers):
            for number, scores in _in_processes(waiting, settings, workers=workers):
                del waiting[number]
                yield scores
        if not waiting:
            return


@contextmanager
def _surviving(*, is_last: bool, num_waiting: int, workers: int) -> Iterator[None]:
    """A killed process costs what all had under way, no more."""
    try:
        yield
    except TerminatedWorkerError:
        if is_last:
            raise CheckpointError(
                f"processes were killed again and again, perhaps for want of memory, with {num_waiting} "
                f"networks to go: what is scored is kept; run again with fewer workers than {workers}"
            ) from None


def _in_processes(
    tasks: Mapping[int, ScoringTask], settings: ScoringSettings, *, workers: int
) -> Iterator[tuple[int, list[JournalledScore]]]:
    executor = get_reusable_executor(max_workers=min(workers, len(tasks)))
    futures = {executor.submit(score_task, task, settings): number for number, task in tasks.items()}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()
        executor.shutdown(wait=True)  # in order: killed processes leave semaphores behind


def score_task(task: ScoringTask, settings: ScoringSettings) -> list[JournalledScore]:
    """All missing scores of a network, in one thread."""
    with one_thread():
        return [_score(task.architecture, proxy, key, settings) for key, proxy in task.proxies.items()]


def _score(architecture: Architecture, proxy: Proxy, key: str, settings: ScoringSettings) -> JournalledScore:
    started = time.perf_counter()
    try:
        found = score_subject(subject_of(architecture), [proxy], **asdict(settings))[proxy.name]
        score, std, reason = found.score, found.std, None
    except ProxyError as error:
        score, std, reason = None, 0.0, str(error)
    seconds = round(time.perf_counter() - started, 6)
    return JournalledScore(key, architecture.name, proxy.name, score, std, seconds, reason)
