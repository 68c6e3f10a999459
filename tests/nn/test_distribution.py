"""The architecture distribution: samples, modes, entropy, padding."""

from __future__ import annotations

import math

import pytest
import torch

from fbsearch.nn import ArchitectureDistribution


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_padded_candidates_never_have_weight():
    distribution = ArchitectureDistribution([2, 4])
    for mode in ("soft", "hard", "sampled"):
        sample = distribution.sample(temperature=1.0, mode=mode, generator=generator())
        assert sample.weights[0, 2:].abs().sum() == 0
        torch.testing.assert_close(sample.weights.sum(1), torch.ones(2))
    assert distribution.probabilities()[0].tolist() == [0.5, 0.5, 0.0, 0.0]


def test_hard_samples_follow_the_probabilities():
    """Gumbel-max: the arg max of the perturbed logits is a draw from P."""
    distribution = ArchitectureDistribution([3])
    with torch.no_grad():
        distribution.logits.copy_(torch.tensor([[0.0, 1.0, 2.0]]))
    source = generator()
    draws = [
        distribution.sample(temperature=5.0, mode="sampled", generator=source).paths[0] for _ in range(4000)
    ]
    shares = torch.bincount(torch.tensor(draws), minlength=3) / 4000
    # Four standard deviations of a share of 4000 draws are at most 0.032.
    torch.testing.assert_close(shares, distribution.probabilities()[0].detach(), atol=0.032, rtol=0)


def test_soft_samples_become_one_hot_as_the_temperature_falls():
    distribution = ArchitectureDistribution([5] * 4)
    warm = distribution.sample(temperature=5.0, mode="soft", generator=generator()).weights.max(1).values
    cold = distribution.sample(temperature=0.01, mode="soft", generator=generator()).weights.max(1).values
    assert (warm < cold).all() and cold.min() > 0.99


@pytest.mark.parametrize("mode", ["hard", "sampled"])
def test_straight_through_value_is_one_hot_and_gradient_is_the_soft_one(mode):
    distribution = ArchitectureDistribution([4] * 3)
    cost = torch.randn(3, 4, generator=generator(1))
    gradients = []
    for chosen in ("soft", mode):
        distribution.logits.grad = None
        sample = distribution.sample(temperature=2.0, mode=chosen, generator=generator())
        (sample.weights * cost).sum().backward()
        gradients.append(distribution.logits.grad.clone())
    assert set(sample.weights.detach().unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(gradients[0], gradients[1])


def test_paths_name_the_one_hot():
    sample = ArchitectureDistribution([4] * 6).sample(temperature=1.0, mode="sampled", generator=generator())
    assert tuple(sample.weights.argmax(1).tolist()) == sample.paths


def test_entropy_of_uniform_slots_is_the_mean_logarithm_of_their_sizes():
    entropy = float(ArchitectureDistribution([2, 8]).entropy())
    assert entropy == pytest.approx((math.log(2) + math.log(8)) / 2, rel=1e-6)


def test_entropy_has_a_gradient_with_padded_candidates():
    distribution = ArchitectureDistribution([2, 4])
    with torch.no_grad():
        distribution.logits.copy_(torch.randn(2, 4, generator=generator()))
    distribution.entropy().backward()
    assert torch.isfinite(distribution.logits.grad).all()


def test_the_same_seed_gives_the_same_sample():
    distribution = ArchitectureDistribution([9] * 22)
    first, second = (
        distribution.sample(temperature=1.0, mode="soft", generator=generator(7)).weights for _ in range(2)
    )
    assert torch.equal(first, second)
