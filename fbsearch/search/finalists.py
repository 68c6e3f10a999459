"""From a searched supernet to a ranking of architectures within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch

from fbsearch.costs import FloatArray
from fbsearch.data import Loader
from fbsearch.nn import Supernet, channels_last, recalibrate_norms
from fbsearch.search.result import Finalist, log_probability
from fbsearch.search.selection import Limit, most_probable, sample_within
from fbsearch.train import evaluate


def propose_finalists(
    log_probabilities: FloatArray, latency: Limit, *, count: int, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """The most probable architecture within the budget, then up to ``count - 1`` sampled ones.

    Args:
        log_probabilities: ``S x C``.
        latency: the budget.
        count: how many to propose; fewer where the budget leaves fewer.
        rng: draws the samples.
    """
    best = most_probable(log_probabilities, [latency])
    sampled = sample_within(log_probabilities, [latency], count=count - 1, rng=rng, excluded=[best])
    return [best, *sampled]


def rank_finalists(
    supernet: Supernet,
    proposals: Sequence[tuple[int, ...]],
    *,
    log_probabilities: FloatArray,
    latency: Limit,
    calibration_loader: Loader,
    calibration_batches: int,
    val_loader: Loader,
    device: torch.device,
) -> list[Finalist]:
    """Finalists by validation accuracy with the supernet's weights, best first.

    Ties go to the more probable. The norms of each child are recalibrated on training batches first.

    Args:
        supernet: searched.
        proposals: choices; the first is the most probable architecture.
        log_probabilities: ``S x C``.
        latency: the budget, for the predicted latency.
        calibration_loader: training images.
        calibration_batches: how many of its batches recalibrate the norms.
        val_loader: validation images.
        device: where to evaluate.
    """
    batches = [images.to(device) for images, _ in islice(calibration_loader.epoch(0), calibration_batches)]
    finalists = []
    for index, choices in enumerate(proposals):
        child = channels_last(supernet.child(choices), device)
        recalibrate_norms(child, batches)
        finalists.append(
            Finalist(
                choices=choices,
                predicted_us=latency.cost.of(choices),
                log_probability=log_probability(log_probabilities, choices),
                val_accuracy=evaluate(child, val_loader).top1,
                source="sampled" if index else "most probable",
            )
        )
    return sorted(finalists, key=lambda finalist: (-finalist.val_accuracy, -finalist.log_probability))
