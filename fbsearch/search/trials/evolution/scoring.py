"""What a worker does: an architecture to its scores."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.architecture import Architecture
from fbsearch.errors import ProxyError
from fbsearch.proxies import score_subject, subject_of, usual_batch_size


@dataclass(frozen=True)
class ScoringJob:
    """A structure to be scored; it pickles.

    Args:
        architecture: of the structure.
        proxies: by their names.
        repeats: how often.
        batch_size: of the images; None for the usual one.
        seed: of the random numbers, the same for all structures, so that their scores compare.
        device: where.
    """

    architecture: Architecture
    proxies: tuple[str, ...]
    repeats: int
    batch_size: int | None
    seed: int
    device: str


def run_job(job: ScoringJob) -> tuple[float, ...] | None:
    """The scores in the proxies' order; None for a structure that has none, as where one overflows."""
    architecture = job.architecture
    try:
        scores = score_subject(
            subject_of(architecture),
            job.proxies,
            repeats=job.repeats,
            seed=job.seed,
            batch_size=job.batch_size or usual_batch_size(architecture.input),
            device=job.device,
        )
    except ProxyError:
        return None
    return tuple(scores[name].score for name in job.proxies)
