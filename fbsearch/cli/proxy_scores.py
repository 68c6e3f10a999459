"""Scores of one network, told as they come; what has none is told beside the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import track

from fbsearch.cli.printing import show_progress
from fbsearch.errors import ProxyError
from fbsearch.proxies import Proxy, ProxyScore, Subject, score_subject


def score_each(
    subject: Subject,
    proxies: Sequence[Proxy],
    *,
    repeats: int,
    seed: int,
    batch_size: int,
    device: str,
) -> tuple[dict[str, ProxyScore], dict[str, str]]:
    """A network's scores by the proxies' names, and why it has not the others.

    Args:
        subject: the network.
        proxies: in the order in which they are told.
        repeats: of each.
        seed: of all random numbers.
        batch_size: of the images.
        device: as torch calls it.

    Raises:
        ProxyError: if it has no score at all.
    """
    scores: dict[str, ProxyScore] = {}
    failures: dict[str, str] = {}
    watched = track(
        proxies, "scoring", console=Console(stderr=True), transient=True, disable=not show_progress(False)
    )
    for proxy in watched:
        with _noted(failures, proxy):
            scores |= score_subject(
                subject, [proxy], repeats=repeats, seed=seed, batch_size=batch_size, device=device
            )
    if not scores:
        raise ProxyError("; ".join(failures.values()))
    return scores, failures


@contextmanager
def _noted(failures: dict[str, str], proxy: Proxy) -> Iterator[None]:
    try:
        yield
    except ProxyError as error:
        failures[proxy.name] = str(error)


def unscored(failures: dict[str, str]) -> dict[str, Any]:
    """The record, for scripts, of scores that there are not."""
    return {name: {"score": None, "std": None, "error": reason} for name, reason in failures.items()}
