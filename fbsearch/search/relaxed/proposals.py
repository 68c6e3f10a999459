"""From a searched supernet to a ranking of architectures within the budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import torch

from fbsearch.costs import FloatArray
from fbsearch.data import Loader
from fbsearch.errors import BudgetError
from fbsearch.nn import Supernet, channels_last, recalibrate_norms
from fbsearch.search.finalist import Finalist
from fbsearch.search.limit import Limit, predict_us
from fbsearch.search.selection import most_probable, sample_within
from fbsearch.train import evaluate


def propose_finalists(
    log_probabilities: FloatArray,
    limits: Sequence[Limit],
    *,
    count: int,
    rng: np.random.Generator,
    use: float = 0.0,
    excluded: Iterable[tuple[int, ...]] = (),
) -> list[tuple[int, ...]]:
    """The most probable architecture within the budgets, then up to ``count - 1`` sampled ones.

    Args:
        log_probabilities: ``S x C``.
        limits: the budgets.
        count: how many to propose; fewer where the budgets leave fewer.
        rng: draws the samples.
        use: least share of one of the budgets to use; it counts only where an architecture uses so much.
        excluded: architectures that are not proposed.

    Raises:
        BudgetError: if no architecture keeps the budgets.
    """
    refused = list(excluded)
    try:
        best = most_probable(log_probabilities, limits, excluded=refused, use=use)
    except BudgetError:
        use = 0.0
        best = most_probable(log_probabilities, limits, excluded=refused)
    sampled = sample_within(
        log_probabilities, limits, count=count - 1, rng=rng, excluded=[*refused, best], use=use
    )
    return [best, *sampled]


def rank_finalists(
    supernet: Supernet,
    proposals: Sequence[tuple[int, ...]],
    *,
    log_probabilities: FloatArray,
    limits: Sequence[Limit],
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
        limits: the budgets; those of targets tell the predicted latencies.
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
                code=choices,
                architecture=child.architecture,
                predicted_us=predict_us(limits, choices),
                val_accuracy=evaluate(child, val_loader).top1,
                source="sampled" if index else "most probable",
                log_probability=log_probability(log_probabilities, choices),
            )
        )
    return sorted(finalists, key=lambda finalist: (-finalist.worth, -_probability(finalist)))


def most_accurate(finalists: Sequence[Finalist], *, num_images: int) -> int:
    """Index of the finalist to take: the most probable of those no less accurate than the best, within noise.

    Validation accuracies within one standard error, sqrt(a (1 - a) / n) at the best one, are taken for
    equal (the one-standard-error rule of Breiman et al., 1984); what the search learnt then decides, rather
    than the luck of a few images.

    Args:
        finalists: at least one.
        num_images: n, the validation images.
    """
    best = max(finalist.worth for finalist in finalists)
    bar = best - math.sqrt(best * (1 - best) / num_images)
    equal = [index for index, finalist in enumerate(finalists) if finalist.worth >= bar]
    return max(equal, key=lambda index: _probability(finalists[index]))


def log_probability(log_probabilities: FloatArray, choices: Sequence[int]) -> float:
    """sum_l log P_{l, a_l}."""
    return float(sum(row[i] for row, i in zip(log_probabilities, choices, strict=True)))


def _probability(finalist: Finalist) -> float:
    assert finalist.log_probability is not None  # a relaxed search has a distribution
    return finalist.log_probability
