"""τ and ρ are scipy's, of the networks themselves and of every resample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from fbsearch.proxies.evaluation import correlations
from fbsearch.proxies.evaluation.correlations import kendall_taus, spearman_rhos
from fbsearch.proxies.evaluation.resampling import bootstrap_weights, everyone

NETWORKS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=3, max_size=12)


@settings(max_examples=40)
@given(NETWORKS, st.integers(0, 100))
def test_as_scipy_of_every_resample(networks, seed):
    scores, accuracies = np.array(networks, float).T
    weights = np.concatenate(
        [everyone(len(scores)), bootstrap_weights(len(scores), num_resamples=4, seed=seed)]
    )
    taus, rhos = kendall_taus(scores, accuracies, weights), spearman_rhos(scores, accuracies, weights)
    for tau, rho, counts in zip(taus, rhos, weights, strict=True):
        drawn = np.repeat(np.arange(len(scores)), counts.astype(int))
        x, y = scores[drawn], accuracies[drawn]
        if np.ptp(y) == 0:
            assert np.isnan(tau) and np.isnan(rho)
        elif np.ptp(x) == 0:
            assert tau == rho == 0
        else:
            assert tau == pytest.approx(kendalltau(x, y).statistic, abs=1e-9)
            assert rho == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


def test_a_network_without_a_score_ranks_last():
    accuracies = np.array([0.1, 0.2, 0.3, 0.4])
    assert kendall_taus(np.array([-np.inf, 2, 3, 4]), accuracies, everyone(4)) == [1.0]
    assert kendall_taus(np.array([1, 2, 3, -np.inf]), accuracies, everyone(4)) == [0.0]


def test_many_networks_are_looked_at_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    scores, accuracies = rng.normal(size=30), rng.normal(size=30)
    weights = bootstrap_weights(30, num_resamples=5, seed=0)
    whole = kendall_taus(scores, accuracies, weights), spearman_rhos(scores, accuracies, weights)
    monkeypatch.setattr(correlations, "_BLOCK_PAIRS", 7 * 30)
    parts = kendall_taus(scores, accuracies, weights), spearman_rhos(scores, accuracies, weights)
    np.testing.assert_allclose(parts, whole, atol=1e-12)
