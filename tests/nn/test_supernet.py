"""The supernet: mixed operations agree with their candidates, children with their supernet."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from fbsearch.nn import ArchitectureDistribution, MixedOperation, Supernet, recalibrate_norms
from fbsearch.spaces import LayerwiseSpace, load_space, parse_definition

EVERY_KIND = {
    "name": "every-kind",
    "resolution": 12,
    "num_classes": 5,
    "stem": {"channels": 8, "stride": 1},
    "stages": [
        {"channels": 8, "layers": 2},
        {"channels": 16, "layers": 2, "stride": 2},
        {"channels": 16, "layers": 1, "candidates": ["k3_e3", "skip"]},
    ],
    "candidates": [
        "k3_e1",
        "k3_e3",
        "k5_e6",
        "k3_e1_g2",
        "k3_e3_g2",
        "k3_e3_se0.25_hswish",
        "conv_k3",
        "skip",
    ],
    "head": {"channels": 32},
}


@pytest.fixture(params=["every-kind", "digits", "omit-skip"])
def space(request) -> LayerwiseSpace:
    if request.param == "digits":
        return load_space("digits")
    skip = "omit" if request.param == "omit-skip" else "project"
    return parse_definition({**EVERY_KIND, "skip_across_shapes": skip}, source="test").build()


@pytest.fixture
def supernet(space) -> Supernet:
    torch.manual_seed(0)
    supernet = Supernet(space)
    with torch.no_grad():  # norms that are not near the identity
        for part in supernet.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(std=0.3)
                part.running_mean.normal_(std=0.3)
                part.running_var.uniform_(0.5, 1.5)
    return supernet


def images(space: LayerwiseSpace, batch: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, space.in_channels, space.resolution, space.resolution, generator=generator)


def plain_loop(supernet: Supernet, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What a mixed operation means, written down as in the paper."""
    x = supernet.stem(x)
    for row, slot in zip(weights, supernet.slots, strict=True):
        assert isinstance(slot, MixedOperation)
        x = sum(m * candidate(x) for m, candidate in zip(row, slot.candidates, strict=False))
    return supernet.head(x)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_soft_mixture_equals_the_plain_loop_with_its_gradients(space, supernet, training, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    supernet = supernet.double().to(memory_format=layout).train(training)
    reference = copy.deepcopy(supernet)
    x = images(space).double().to(memory_format=layout)
    distribution = ArchitectureDistribution.of(space).double()
    logits = []
    for network, forward in ((supernet, Supernet.forward), (reference, plain_loop)):
        sample = distribution.sample(temperature=3.0, mode="soft", generator=torch.Generator().manual_seed(1))
        weights = sample.weights.detach().requires_grad_()
        out = forward(network, x, weights)
        out.square().sum().backward()
        logits.append((out.detach(), weights.grad))
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-8, atol=1e-10)
    for (name, ours), (_, theirs) in zip(
        supernet.named_parameters(), reference.named_parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-7, atol=1e-9, msg=name)
    for (name, ours), (_, theirs) in zip(supernet.named_buffers(), reference.named_buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=name)


def test_child_equals_its_supernet_at_that_one_hot(space, supernet):
    supernet.eval()
    distribution = ArchitectureDistribution.of(space)
    rng = np.random.default_rng(0)
    for _ in range(5):
        choices = space.sample(rng)
        child = supernet.child(choices).eval()
        expected = supernet(images(space), distribution.one_hot(choices))
        sampled = supernet(images(space), distribution.one_hot(choices), choices)
        torch.testing.assert_close(child(images(space)), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(sampled, expected, rtol=1e-4, atol=1e-5)


def test_child_owns_its_weights(space, supernet):
    child = supernet.child((0,) * space.num_slots)
    before = copy.deepcopy(supernet.state_dict())
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.zero_()
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())


def test_sampled_paths_compute_nothing_else(space, supernet):
    choices = tuple(len(slot.candidates) - 1 for slot in space.slots)
    weights = ArchitectureDistribution.of(space).one_hot(choices)
    supernet.train()(images(space), weights, choices).sum().backward()
    for slot, choice in zip(supernet.slots, choices, strict=True):
        for index, candidate in enumerate(slot.candidates):
            has_gradient = any(parameter.grad is not None for parameter in candidate.parameters())
            assert has_gradient == (index == choice and any(True for _ in candidate.parameters()))


def test_theta_gets_a_gradient_in_every_mode(space, supernet):
    for mode in ("soft", "hard", "sampled"):
        distribution = ArchitectureDistribution.of(space)
        sample = distribution.sample(temperature=1.0, mode=mode, generator=torch.Generator().manual_seed(0))
        supernet(images(space), sample.weights, sample.paths).square().sum().backward()
        assert (distribution.logits.grad.abs().sum(1) > 0).all(), mode


def test_recalibrated_norms_hold_the_statistics_of_the_batches(space, supernet):
    child = supernet.child((0,) * space.num_slots)
    batches = [images(space, batch=8), 2 * images(space, batch=8)]
    recalibrate_norms(child, batches)
    norm = child.stem[0].norm
    with torch.no_grad():
        inputs = [child.stem[0].conv(batch) for batch in batches]
    means = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1
