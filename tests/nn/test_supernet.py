"""The supernet: mixed operations agree with their candidates, children with their supernet."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from fbsearch.architecture import INPUT
from fbsearch.nn import ArchitectureDistribution, MixedOperation, Supernet, recalibrate_norms
from fbsearch.spaces import (
    CellsDefinition,
    FactoredSpace,
    load_definition,
    load_space,
    parse_definition,
    require_factored,
)

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


CELLS = {
    "name": "cells",
    "kind": "cells",
    "resolution": 8,
    "num_classes": 3,
    "channels": 4,
    "stages": 2,
    "cells_per_stage": 1,
    "cell": {
        "inputs": 2,
        "nodes": 2,
        "ops": ["none", "skip", "sep_conv_3x3", "dil_conv_3x3", "conv_1x1", "max_pool_3x3"],
    },
}
CHOSEN = {**CELLS, "cell": {**CELLS["cell"], "ops": ["skip", "conv_3x3", "avg_pool_3x3"], "rule": "chosen"}}
SUMS = {**CELLS, "cell": {**CELLS["cell"], "inputs": 1, "output": "last"}, "reduction": "block"}


@pytest.fixture(params=["every-kind", "digits", "omit-skip", "cells", "chosen", "sums"])
def space(request) -> FactoredSpace:
    graphs = {"cells": CELLS, "chosen": CHOSEN, "sums": SUMS}
    if request.param in graphs:
        return parse_definition(graphs[request.param], source="test").build()
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


def images(space: FactoredSpace, batch: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, *space.input.dimensions, generator=generator)


def plain_loop(supernet: Supernet, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What a mixed operation means, written down as in the paper."""
    outputs = {INPUT: x}
    fixed = {node.name: node for node in supernet.space.fixed}
    rows = {p: row for row, one in zip(weights, supernet.space.decisions, strict=True) for p in one.places}
    for name in supernet.space.order:
        module = supernet.node(name)
        if name in fixed:
            outputs[name] = module(*(outputs[source] for source in fixed[name].inputs))
        else:
            assert isinstance(module, MixedOperation)
            pairs = zip(rows[name], module.candidates, module.inputs, strict=False)
            outputs[name] = sum(m * candidate(outputs[source]) for m, candidate, source in pairs)
    return outputs[supernet.space.order[-1]]


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
    child = supernet.child((0,) * len(space.decisions))
    before = copy.deepcopy(supernet.state_dict())
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.zero_()
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())


def test_sampled_paths_compute_nothing_else(space, supernet):
    choices = tuple(len(slot.candidates) - 1 for slot in space.decisions)
    weights = ArchitectureDistribution.of(space).one_hot(choices)
    supernet.train()(images(space), weights, choices).sum().backward()
    pairs = zip(space.decisions, choices, strict=True)
    for place, choice in ((place, choice) for one, choice in pairs for place in one.places):
        for index, candidate in enumerate(supernet.node(place).candidates):
            has_gradient = any(parameter.grad is not None for parameter in candidate.parameters())
            assert has_gradient == (index == choice and any(True for _ in candidate.parameters()))


def test_theta_gets_a_gradient_in_every_mode(space, supernet):
    for mode in ("soft", "hard", "sampled"):
        distribution = ArchitectureDistribution.of(space)
        sample = distribution.sample(temperature=1.0, mode=mode, generator=torch.Generator().manual_seed(0))
        supernet(images(space), sample.weights, sample.paths).square().sum().backward()
        for row, decision in enumerate(space.decisions):
            # A connection that is not there, and alone computes, says nothing about the others.
            is_silent = sample.paths is not None and decision.names[sample.paths[row]] == "none"
            assert is_silent or distribution.logits.grad[row].abs().sum() > 0, (mode, decision.name)


def test_recalibrated_norms_hold_the_statistics_of_the_batches(space, supernet):
    child = supernet.child((0,) * len(space.decisions))
    batches = [images(space, batch=8), 2 * images(space, batch=8)]
    recalibrate_norms(child, batches)
    norm = child.node("stem/0").norm
    with torch.no_grad():
        inputs = [child.node("stem/0").conv(batch) for batch in batches]
    means = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, means, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1


def test_where_every_edge_is_decided_a_child_is_its_supernet_at_that_one_hot() -> None:
    """DARTS' cells as a stochastic search samples them: all 14 edges of each kind, ``none`` among the ops."""
    definition = load_definition("darts", resolution=8, channels=4)
    assert isinstance(definition, CellsDefinition)
    space = require_factored(definition.with_every_edge().build(), "a supernet")
    torch.manual_seed(0)
    supernet, images = Supernet(space).eval(), torch.randn(2, 3, 8, 8)
    code = space.sample(np.random.default_rng(0))
    one_hot = torch.zeros(len(space.decisions), 8)
    one_hot[range(len(code)), list(code)] = 1
    with torch.no_grad():
        torch.testing.assert_close(supernet(images, one_hot), supernet.child(code).eval()(images))
