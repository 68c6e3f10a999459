"""Several scores of a network, each repeated with random numbers of its own."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from fbsearch.architecture import Shape
from fbsearch.errors import ProxyError
from fbsearch.proxies.proxy import Proxy, find_proxy
from fbsearch.proxies.subject import Subject


@dataclass(frozen=True)
class ProxyScore:
    """A score, averaged over repeats.

    Args:
        score: the mean.
        std: standard deviation of a single repeat; 0 where there is but one, or nothing is random.
        repeats: how often it was computed.
    """

    score: float
    std: float
    repeats: int


def usual_batch_size(image: Shape) -> int:
    """Images in a batch, as in the released searches: 64 of CIFAR's size, 16 of ImageNet's."""
    return 64 if image.resolution <= 64 else 16


def score_subject(
    subject: Subject,
    proxies: Sequence[str | Proxy],
    *,
    repeats: int,
    seed: int,
    batch_size: int,
    device: str = "cpu",
) -> dict[str, ProxyScore]:
    """The scores of a network by the proxies' names.

    A score depends on the seed and the number of repeats, not on which others are asked for.

    Args:
        subject: the network.
        proxies: names, or proxies that no name makes, such as :class:`LatencyProxy`.
        repeats: how often a random score is computed anew.
        seed: of all random numbers.
        batch_size: B, of the images.
        device: where it is computed, as torch calls it.

    Raises:
        InvalidInputError: if a name is no proxy's.
        ProxyError: naming the proxy, if the network has no such score.
    """
    found = [find_proxy(one) if isinstance(one, str) else one for one in proxies]
    return {
        proxy.name: _repeated(
            proxy, subject, repeats=repeats, seed=seed, batch_size=batch_size, device=device
        )
        for proxy in found
    }


def _repeated(
    proxy: Proxy, subject: Subject, *, repeats: int, seed: int, batch_size: int, device: str
) -> ProxyScore:
    scores = []
    for repeat in range(repeats if proxy.is_random else 1):
        generator = repeat_generator(seed, repeat, device=device)
        try:
            with own_random_state(generator):
                score = proxy.score(subject, generator=generator, batch_size=batch_size)
        except ProxyError as error:
            raise ProxyError(f"{proxy.name} of {subject.name}: {error}") from None
        assert math.isfinite(score), f"{proxy.name} gave {score}"
        scores.append(score)
    std = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return ProxyScore(statistics.fmean(scores), std, len(scores))


def repeat_generator(seed: int, repeat: int, *, device: str = "cpu") -> torch.Generator:
    """The generator of one repeat: the same for every proxy."""
    state = int(np.random.SeedSequence([seed, repeat]).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state % 2**63)


@contextmanager
def own_random_state(generator: torch.Generator) -> Iterator[None]:
    """Torch's global generators begin like ``generator`` within, and are as before after: for modules of
    users that draw from them as they run.
    """
    device = generator.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(generator.initial_seed())
        yield
