"""Every proxy, on every make of network: a finite number, the same for the same generator."""

import copy
import math

import pytest
import torch
from torch import nn

from fbsearch.architecture import Shape
from fbsearch.errors import ProxyError
from fbsearch.proxies import find_proxy, proxy_names, subject_of, subject_of_module
from tests.proxies.networks import TINY_CHAIN, OtherNetwork, chain, tiny_cell

SUBJECTS = {
    "chain": subject_of(chain(TINY_CHAIN)),
    "cell": subject_of(tiny_cell()),
    "other": subject_of_module("other", OtherNetwork, Shape(3, 8)),
}


def score(name, subject, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return find_proxy(name).score(subject, generator=generator, batch_size=4)


@pytest.mark.parametrize("name", proxy_names())
@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_finite_and_told_by_the_generator(name, subject):
    first = score(name, subject)
    assert math.isfinite(first)
    assert score(name, subject) == first
    assert (score(name, subject, seed=1) != first) == find_proxy(name).is_random


@pytest.mark.parametrize("name", proxy_names())
def test_module_of_another_is_left_as_it_was(name):
    module = OtherNetwork()
    before, parts = copy.deepcopy(module.state_dict()), list(map(type, module.modules()))
    score(name, subject_of_module("same", lambda: module, Shape(3, 8)))
    assert list(map(type, module.modules())) == parts
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x * 0)).mean((2, 3)))


@pytest.mark.parametrize("name", ["zen", "phi", "naswot", "jacobian_covariance"])
def test_a_network_that_does_not_see_the_image_has_no_score(name):
    with pytest.raises(ProxyError):
        score(name, subject_of_module("constant", Constant, Shape(3, 8)))


@pytest.mark.parametrize("name", [name for name in proxy_names() if find_proxy(name).is_random])
def test_registered_under_its_own_name_and_labelled(name):
    proxy = find_proxy(name)
    assert proxy.name == name and proxy.label
