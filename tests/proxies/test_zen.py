"""Zen-Score: the fast run is the plain one, nothing drifts, the released form, what norms change."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from fbsearch.architecture import Architecture, Shape
from fbsearch.architecture.operators import Classifier, Conv
from fbsearch.errors import ProxyError
from fbsearch.nn import Network
from fbsearch.proxies import find_proxy, score_subject, subject_of, subject_of_module
from fbsearch.proxies.normal import draw_weights
from fbsearch.proxies.zen.paired_norm import pair_norms
from fbsearch.proxies.zen.paired_run import paired_features
from fbsearch.proxies.zen.score import bare_module, perturbed_pair, variance_term
from fbsearch.spaces import load_space
from tests.proxies.networks import TINY_CHAIN, OtherNetwork, chain, tiny_cell


def plain_chain(width: int, depth: int, resolution: int = 8) -> Architecture:
    stem = Conv(3, width, resolution, kernel=3, activation="relu")
    layers = [Conv(width, width, resolution, kernel=3, activation="relu")] * (depth - 1)
    return Architecture.chain(
        f"w{width}d{depth}", {"layers": [stem, *layers], "head": [Classifier(width, 10, resolution)]}
    )


def digits_architecture() -> Architecture:
    space = load_space("digits")
    return space.decode(space.sample(np.random.default_rng(3)))


@pytest.mark.parametrize("make", [lambda: chain(TINY_CHAIN), tiny_cell, digits_architecture])
def test_fast_run_is_the_plain_run(make):
    subject = subject_of(make())
    generator = torch.Generator().manual_seed(0)
    network = bare_module(subject, generator)
    seen = pair_norms(network)
    draw_weights(network, generator)
    images = perturbed_pair(subject, generator, 4).to(memory_format=torch.channels_last)
    with torch.no_grad():
        fast = paired_features(network, images)
        of_fast = [float(one) for one in seen]
        seen.clear()
        plain = network.double().features(images.double())
    torch.testing.assert_close(fast.double(), plain, rtol=1e-3, atol=1e-3)
    # Norms run in another order where branches meet.
    np.testing.assert_allclose(sorted(of_fast), sorted(float(one) for one in seen), rtol=1e-4)


def running_variances(network: Network, images: torch.Tensor) -> list[float]:
    """What the released code reads: running averages after the runs of x and of x + γε."""
    norms: list[nn.BatchNorm2d] = []
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
            part.register_forward_hook(lambda norm, *_: norms.append(norm))
    network.train()
    with torch.no_grad():
        for one in images.chunk(2):
            norms.clear()
            network.features(one)
    return [float(norm.running_var.mean()) for norm in norms]


# Of a released network, SuperConvK3BNRELU(3,64,1,1)SuperResK1K5K1(64,168,1,16,1)…, its first four blocks.
RELEASED = (
    "conv_k3_s1_relu_c3-64_r32",
    "zenbottle_k5_h16_s1_c64-168_r32",
    "zenbottle_k5_h16_s1_c168-168_r32",
    "zenbottle_k3_h32_s2_c168-80_r32",
    "zenbottle_k3_h32_s1_c80-80_r16",
    "classifier_c80-10_r16",
)


def test_released_is_the_running_average_in_closed_form():
    subject = subject_of(chain(RELEASED))
    released, plain = find_proxy("zen_released"), find_proxy("zen")
    scores = [
        one.score(subject, generator=torch.Generator().manual_seed(1), batch_size=4)
        for one in (released, plain)
    ]
    generator = torch.Generator().manual_seed(1)
    network = bare_module(subject, generator)
    assert isinstance(network, Network)
    draw_weights(network, generator)
    images = perturbed_pair(subject, generator, 4)
    of_averages = sum(math.log(one) for one in running_variances(network, images)) / 2
    seen = pair_norms(network.eval())
    with torch.no_grad():
        network.features(images)
    exact = [float(one) for one in seen]
    in_closed_form = sum(math.log(0.81 + 0.19 * one) for one in exact) / 2
    log_difference = scores[1] - variance_term(seen, False)
    assert scores[0] - log_difference == pytest.approx(in_closed_form, rel=1e-4)
    assert scores[0] - log_difference == pytest.approx(of_averages, rel=1e-3)
    assert variance_term(seen, False) == pytest.approx(sum(map(math.log, exact)) / 2)


def test_twenty_scores_in_a_row_do_not_drift():
    module = OtherNetwork()
    subjects = [subject_of(chain(TINY_CHAIN)), subject_of_module("same", lambda: module, Shape(3, 8))]
    for subject in subjects:
        scores = {
            find_proxy("zen").score(subject, generator=torch.Generator().manual_seed(5), batch_size=4)
            for _ in range(20)
        }
        assert len(scores) == 1


def zen_and_phi(architecture: Architecture) -> tuple[float, float]:
    scores = score_subject(subject_of(architecture), ["zen", "phi"], repeats=2, seed=0, batch_size=8)
    return scores["zen"].score, scores["phi"].score


def test_norms_change_nothing():
    """Theorem 1: Δ of the network with norms and their variances make up Φ of the network without."""
    for depth in (3, 10):
        zen, phi = zen_and_phi(plain_chain(24, depth))
        assert zen == pytest.approx(phi, abs=0.05 * depth)
        assert zen > 2 * depth  # what the norms take away, and the variances give back


def test_zen_orders_depths_and_widths_where_phi_fails():
    by_depth = [score_zen(plain_chain(16, depth)) for depth in (5, 15, 45)]
    by_width = [score_zen(plain_chain(width, 8)) for width in (8, 16, 32)]
    assert by_depth == sorted(by_depth) and by_width == sorted(by_width)
    with pytest.raises(ProxyError, match=r"phi of w16d45: Δ overflows"):
        score_subject(subject_of(plain_chain(16, 45)), ["phi"], repeats=1, seed=0, batch_size=4)


def score_zen(architecture: Architecture) -> float:
    return score_subject(subject_of(architecture), ["zen"], repeats=1, seed=0, batch_size=4)["zen"].score


def test_released_variances_weigh_less():
    scores = score_subject(
        subject_of(plain_chain(16, 8)),
        ["zen", "zen_released", "zen_frobenius"],
        repeats=1,
        seed=0,
        batch_size=4,
    )
    assert scores["zen_released"].score < scores["zen"].score
    assert scores["zen_frobenius"].score < scores["zen"].score  # ‖·‖₂ ≤ ‖·‖₁
