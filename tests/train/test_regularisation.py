"""Mixup, erasing, averages, schedules."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from fbsearch.train import WeightAverage, cosine_rate
from fbsearch.train.regularisation import erase, mixup


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mixup_blends_images_and_losses_alike() -> None:
    images, labels = torch.eye(8).view(8, 1, 1, 8), torch.arange(8)  # image i is the one-hot vector of i
    mixed, targets = mixup(images, labels, alpha=1.0, generator=generator())
    assert 0 < targets.share < 1
    expected = (
        targets.share * torch.eye(8)[targets.first] + (1 - targets.share) * torch.eye(8)[targets.second]
    )
    assert torch.allclose(mixed.view(8, 8), expected)
    logits = torch.randn(8, 8)
    assert targets.loss(logits, label_smoothing=0.0) == pytest.approx(
        float(functional.cross_entropy(logits, expected)), rel=1e-5
    )


def test_no_mixup_changes_nothing() -> None:
    images, labels = torch.randn(4, 3, 2, 2), torch.arange(4)
    mixed, targets = mixup(images, labels, alpha=0.0, generator=generator())
    assert mixed is images
    logits = torch.randn(4, 5)
    assert torch.equal(
        targets.loss(logits, label_smoothing=0.1),
        functional.cross_entropy(logits, labels, label_smoothing=0.1),
    )
    assert float(targets.num_correct(torch.eye(5)[labels])) == 4


def test_erasing_clears_rectangles_of_the_stated_size() -> None:
    images = torch.ones(500, 2, 20, 24)
    erased = erase(images, probability=0.5, generator=generator()) == 0
    assert torch.equal(erased[:, 0], erased[:, 1])
    changed = erased[:, 0].flatten(1).any(1)
    assert 200 < int(changed.sum()) < 300
    shares = erased[:, 0].float().mean((1, 2))[changed]
    assert float(shares.min()) < 0.05
    assert 0.25 < float(shares.max()) < 0.36
    for mask in erased[changed, 0]:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns)
        for line in (rows, columns):
            [places] = line.nonzero(as_tuple=True)
            assert len(places) == places[-1] - places[0] + 1
    assert torch.equal(erase(images, probability=0.0, generator=generator()), images)


def test_average_follows_by_the_stated_formula() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(network[0].weight, 0.0)
    average = WeightAverage(network, 0.5)
    expected = 0.0
    for update in range(12):
        nn.init.constant_(network[0].weight, float(update + 1))
        network[1].running_mean.fill_(float(update + 1))
        network[1].num_batches_tracked.fill_(update)
        average.update(network)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * (update + 1)
        assert average.network[0].weight.item() == pytest.approx(expected)
        assert float(average.network[1].running_mean) == pytest.approx(expected)
        assert int(average.network[1].num_batches_tracked) == update
    assert network[0].weight.item() == 12.0


def test_cosine_rate() -> None:
    rates = [cosine_rate(step, num_steps=100, num_warmup_steps=10) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert cosine_rate(0, num_steps=1) == 1.0
    assert cosine_rate(4, num_steps=5, num_warmup_steps=9) == pytest.approx(5 / 9)
