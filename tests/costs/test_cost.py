"""Costs: one-hot agreement, gradients, exact expected maximum, counts against hand calculation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from fbsearch.architecture.operators import Conv, MBConv, Skip
from fbsearch.costs import (
    AdditiveCost,
    Cost,
    PeakCost,
    count_architecture,
    count_operator,
    file_size_cost,
    mac_cost,
    memory_access_cost,
    parameter_cost,
    peak_memory_cost,
)
from fbsearch.spaces import FactoredSpace, load_space, named_architecture
from tests.spaces.chains import most_candidates


@pytest.fixture(scope="module")
def space() -> FactoredSpace:
    return load_space("digits")


COSTS = [parameter_cost, mac_cost, memory_access_cost, peak_memory_cost]


def one_hot(space: FactoredSpace, choices: tuple[int, ...]) -> torch.Tensor:
    weights = torch.zeros(len(space.decisions), most_candidates(space), dtype=torch.float64)
    weights[torch.arange(len(space.decisions)), torch.tensor(choices)] = 1
    return weights


@pytest.mark.parametrize("build", COSTS)
class TestCostContract:
    """What every cost of a space keeps."""

    def test_expectation_at_one_hot_is_the_cost_of_the_architecture(self, build, space):
        cost: Cost = build(space)
        rng = np.random.default_rng(0)
        for _ in range(20):
            choices = space.sample(rng)
            assert float(cost.expectation(one_hot(space, choices))) == pytest.approx(
                cost.of(choices), rel=1e-12
            )

    def test_cost_of_choices_is_the_count_of_the_decoded_architecture(self, build, space):
        cost: Cost = build(space)
        choices = space.sample(np.random.default_rng(1))
        counts = count_architecture(space.decode(choices))
        assert cost.of(choices) == getattr(counts, cost.name)

    def test_gradient_agrees_with_finite_differences(self, build, space):
        cost: Cost = build(space)
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(
            len(space.decisions),
            most_candidates(space),
            generator=generator,
            dtype=torch.float64,
            requires_grad=True,
        )
        # The scale is taken out: gradcheck's absolute tolerance is made for numbers around 1.
        assert torch.autograd.gradcheck(lambda x: cost.expectation(x.softmax(1)) / cost.range()[1], (logits,))

    def test_range_holds_every_architecture(self, build, space):
        cost: Cost = build(space)
        least, greatest = cost.range()
        values = [cost.of(c) for c in itertools.product(*(range(len(s.candidates)) for s in space.decisions))]
        assert min(values) == pytest.approx(least) and max(values) == pytest.approx(greatest)

    def test_expectation_is_the_mean_over_architectures(self, build, space):
        cost: Cost = build(space)
        p = np.random.default_rng(2).dirichlet(np.ones(most_candidates(space)), len(space.decisions))
        mean = sum(
            cost.of(choices) * np.prod([p[s, i] for s, i in enumerate(choices)])
            for choices in itertools.product(range(most_candidates(space)), repeat=len(space.decisions))
        )
        assert float(cost.expectation(torch.from_numpy(p))) == pytest.approx(mean, rel=1e-9)


def test_a_file_is_its_parameters_and_a_little_per_operator(space):
    cost = file_size_cost(space, model_format="tflite", precision="fp32")
    choices = space.sample(np.random.default_rng(3))
    operators = [op for op in space.decode(choices).operators() if not op.is_identity]
    num_params = parameter_cost(space).of(choices)
    assert cost.of(choices) == pytest.approx(4 * num_params + 5_000 * len(operators))
    kernels = count_architecture(space.decode(choices)).num_kernel_params
    smaller = file_size_cost(space, model_format="onnx", precision="int8")
    expected = kernels + 16 * (num_params - kernels) + 11_000 * len(operators)
    assert smaller.of(choices) == pytest.approx(expected)


def test_slots_may_have_different_numbers_of_candidates():
    coefficients = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    weights = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    assert float(AdditiveCost("x", 10.0, coefficients).expectation(weights)) == pytest.approx(16.5)
    assert float(PeakCost("x", 1.5, coefficients).expectation(weights)) == pytest.approx(5.0)
    assert AdditiveCost("x", 10.0, coefficients).range() == (14.0, 17.0)
    assert PeakCost("x", 4.5, coefficients).range() == (4.5, 5.0)


def test_counts_of_a_convolution_by_hand():
    counts = count_operator(Conv(3, 16, 32, kernel=3, stride=2, activation="relu"))
    assert counts.num_macs == 16 * 16 * 16 * 3 * 9
    assert counts.num_params == 16 * 3 * 9 + 2 * 16  # norm's scale and shift
    assert counts.memory_access == 3 * 32 * 32 + 16 * 16 * 16 + 16 * 3 * 9
    assert counts.peak_bytes == 4 * (3 * 32 * 32 + 16 * 16 * 16)


def test_counts_of_an_inverted_residual_by_hand():
    counts = count_operator(MBConv(8, 8, 10, kernel=3, expansion=6, activation="relu"))
    assert counts.num_macs == 100 * (8 * 48 + 48 * 9 + 48 * 8)
    # The depthwise convolution holds its input and output while the block's input waits for the sum.
    assert counts.peak_bytes == 4 * 100 * (48 + 48 + 8)


def test_identity_costs_nothing_but_keeps_its_input_alive():
    counts = count_operator(Skip(8, 8, 10))
    assert (counts.num_params, counts.num_macs, counts.memory_access) == (0, 0, 0)
    assert counts.peak_bytes == 4 * 800


@pytest.mark.parametrize(
    ("name", "mega_macs", "mega_params"),
    [("fbnet_a", 244.5, 4.3), ("fbnet_b", 291.1, 4.8), ("fbnet_c", 378.2, 5.5)],
)
def test_fbnet_counts_are_the_published_ones(name, mega_macs, mega_params):
    counts = count_architecture(named_architecture(name))
    assert counts.num_macs == pytest.approx(mega_macs * 1e6, rel=0.005)
    assert counts.num_params == pytest.approx(mega_params * 1e6, rel=0.02)
