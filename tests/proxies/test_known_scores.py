"""Scores of networks so small that they can be told by hand."""

import math

import pytest
import torch
from torch import nn

from fbsearch.architecture import Shape
from fbsearch.errors import InvalidInputError
from fbsearch.proxies import find_proxy, subject_of, subject_of_module
from fbsearch.proxies.features import feature_place
from fbsearch.proxies.subject import initialised
from tests.proxies.networks import OtherNetwork, tiny_cell

IMAGE = Shape(1, 2)


def linear(weights):
    """A linear map of the four pixels, with these weights."""

    def make():
        module = nn.Sequential(nn.Flatten(), nn.Linear(4, len(weights), bias=False))
        with torch.no_grad():
            module[1].weight.copy_(torch.tensor(weights))
        return module

    return subject_of_module("linear", make, IMAGE)


def score(name, subject, batch_size=4):
    return find_proxy(name).score(subject, generator=torch.Generator().manual_seed(0), batch_size=batch_size)


def test_synflow_of_a_linear_map_is_the_sum_of_its_weights():
    subject = linear([[1.0, -2.0, 3.0, 0.0], [0.5, 0.5, -1.0, 0.0]])
    assert score("synflow", subject) == pytest.approx(math.log(8.0))


def test_gradient_norm_and_snip_are_those_of_autograd():
    subject = linear([[0.3, -0.2, 0.1, 0.0], [0.5, 0.5, -1.0, 0.2]])
    generator = torch.Generator().manual_seed(0)
    module = initialised(subject, generator)
    images = torch.randn((4, 1, 2, 2), generator=generator)
    labels = torch.randint(2, (4,), generator=generator)
    nn.functional.cross_entropy(module(images), labels).backward()
    weight = module[1].weight
    assert score("grad_norm", subject) == pytest.approx(float(weight.grad.norm()), rel=1e-5)
    assert score("snip", subject) == pytest.approx(float((weight * weight.grad).abs().sum()), rel=1e-5)


def test_grasp_is_a_finite_difference_of_the_gradient():
    """w · H g = d/dt (w · ∇L(w + t g)) at 0."""
    subject = linear([[0.3, -0.2, 0.1, 0.0], [0.5, 0.5, -1.0, 0.2]])
    generator = torch.Generator().manual_seed(0)
    weight = initialised(subject, generator)[1].weight.detach().double()
    images = torch.randn((4, 1, 2, 2), generator=generator).double().flatten(1)
    labels = torch.randint(2, (4,), generator=generator)

    def gradient(at):
        at = at.clone().requires_grad_()
        return torch.autograd.grad(nn.functional.cross_entropy(images @ at.T, labels), at)[0]

    first, step = gradient(weight), 1e-5
    change = (gradient(weight + step * first) - gradient(weight - step * first)) / (2 * step)
    assert score("grasp", subject) == pytest.approx(-float((weight * change).sum()), rel=1e-5)


def test_tangent_kernel_of_a_linear_map_is_that_of_its_images():
    subject = linear([[1.0, 2.0, 3.0, 4.0]])
    generator = torch.Generator().manual_seed(0)
    initialised(subject, generator)
    images = torch.randn((3, 4), generator=generator).double()
    expected = -math.log(float(torch.linalg.cond(images @ images.T)))
    assert score("ntk", subject, batch_size=3) == pytest.approx(expected, rel=1e-4)


def relu_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def test_naswot_counts_what_is_alike():
    subject = subject_of_module("relu", relu_net, IMAGE)
    generator = torch.Generator().manual_seed(0)
    module = initialised(subject, generator)
    images = torch.randn((3, 1, 2, 2), generator=generator)
    signs = module[1](images.flatten(1)) > 0
    kernel = (signs[:, None] == signs[None]).sum(2).double()
    assert score("naswot", subject, batch_size=3) == pytest.approx(float(torch.logdet(kernel)))


def test_counts_of_a_graph():
    subject = subject_of(tiny_cell())
    # The stem, twice depthwise and pointwise, expand, depthwise, project.
    assert score("num_convs", subject) == 8
    assert score("depth", subject) == 9  # with the classifier; every convolution lies on one way
    assert score("num_nonidentity_layers", subject) == 5  # the sum is a join


def test_counts_of_another_module():
    subject = subject_of_module("other", OtherNetwork, Shape(3, 8))
    assert score("num_convs", subject) == 3
    assert score("params", subject) == sum(p.numel() for p in OtherNetwork().parameters())
    # 4x4 pixels from 3x3x3 kernels, then twice from 3x3x8 ones; the linear layer.
    assert score("macs", subject) == 16 * 8 * 27 + 2 * 16 * 8 * 72 + 40


def test_feature_map_is_the_last_one_before_pooling():
    place = feature_place(OtherNetwork().eval(), torch.randn(2, 3, 8, 8))
    assert place.dimensions == (8, 4, 4) and place.operation == "relu"


def test_what_is_no_network_is_told():
    with pytest.raises(InvalidInputError, match="gives a int"):
        subject_of_module("mine", lambda: 3, IMAGE)
    with pytest.raises(InvalidInputError, match="does not take images 2 x 1 x 2 x 2"):
        subject_of_module("mine", lambda: nn.Linear(9, 2), IMAGE)
    with pytest.raises(InvalidInputError, match="must give class scores"):
        subject_of_module("mine", lambda: nn.Conv2d(1, 2, 1), IMAGE)
