"""The additive model in context: found again where it holds, and little lost where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fbsearch.errors import MeasurementError
from fbsearch.latency.calibration.design import design_networks
from fbsearch.latency.calibration.fitting import IsolatedLatencies, Shrinkage, fit_in_context


@dataclass(frozen=True)
class Layers:
    """Candidates of layers, ``S x C``, NaN where a layer has none, and what a fit takes of them."""

    fixed_us: float
    candidates_us: np.ndarray
    operators: np.ndarray
    blocks: np.ndarray

    @property
    def has(self):
        return np.isfinite(self.candidates_us)

    @property
    def isolated(self):
        return IsolatedLatencies(
            self.fixed_us,
            self.candidates_us[self.has],
            self.operators[self.has],
            self.blocks[self.has],
            np.nonzero(self.has)[0],
        )

    def counts(self, networks):
        chosen = np.asarray(networks)[:, :, None] == np.arange(self.candidates_us.shape[1])
        return chosen[:, self.has].astype(np.int64)

    def grid(self, values):
        grid = np.full(self.candidates_us.shape, np.nan)
        grid[self.has] = values
        return grid

    def sums_us(self, networks):
        return self.isolated.sums_us(self.counts(networks))


def fitted(layers, networks, measured, **options):
    return fit_in_context(layers.isolated, layers.counts(networks), measured, **options)


def corrections(layers, fit):
    return layers.grid(fit.corrections_us)


def coefficients(layers, fit):
    fixed, own = fit.coefficients(layers.isolated)
    return fixed, layers.grid(own)


def make_isolated(rng, num_slots=6, num_candidates=4):
    """Layers of which two and two hold the same operators, each with a skip."""
    rows = rng.uniform(20, 200, (num_slots // 2, num_candidates))
    rows[:, -1] = 0.0
    operators = np.arange(rows.size).reshape(rows.shape)
    blocks = np.tile(np.arange(num_candidates), (num_slots, 1))
    return Layers(50.0, np.repeat(rows, 2, axis=0), np.repeat(operators, 2, axis=0), blocks)


def truth_of(isolated, rng, *, spread, shared=False, alike=False):
    """Latencies in context: a line, and a random factor and offset per candidate (or operator, or block)."""
    scales = isolated.candidates_us.mean(axis=1, keepdims=True)
    factors = rng.normal(0, spread, isolated.candidates_us.shape)
    if shared:
        factors = rng.normal(0, spread, isolated.operators.max() + 1)[isolated.operators]
    if alike:
        factors = rng.normal(0, spread, isolated.blocks.max() + 1)[isolated.blocks]
    own = 1.15 * isolated.candidates_us + factors * (isolated.candidates_us + scales) / 2

    def latencies(networks):
        chosen = np.asarray(networks)
        return 1.15 * isolated.fixed_us - 12 + own[np.arange(chosen.shape[1]), chosen].sum(axis=1)

    return latencies


def random_networks(isolated, count, rng):
    return rng.integers(isolated.candidates_us.shape[1], size=(count, len(isolated.candidates_us)))


def predict(fit, isolated, networks):
    fixed, own = coefficients(isolated, fit)
    return fixed + own[np.arange(own.shape[0]), networks].sum(axis=1)


def mean_error(predicted, true):
    return float(np.abs(predicted / true - 1).mean())


@given(st.integers(0, 10**6))
@settings(max_examples=8)
def test_noiseless_additive_truth_is_found_exactly(seed):
    rng = np.random.default_rng(seed)
    isolated = make_isolated(rng)
    latencies = truth_of(isolated, rng, spread=0.1)
    networks = design_networks(isolated.candidates_us, 48, rng)
    fit = fitted(isolated, networks, latencies(networks))
    fresh = random_networks(isolated, 50, rng)
    assert np.abs(predict(fit, isolated, fresh) / latencies(fresh) - 1).max() < 1e-3
    assert np.abs(fit.errors).max() < 1e-3


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=4)
def test_corrections_beat_the_line_and_the_line_beats_the_sums(seed, shared):
    """On the mean over a few measured devices: a single one may be lucky."""
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(4):
        isolated = make_isolated(rng)
        latencies = truth_of(isolated, rng, spread=0.1, shared=shared)
        networks = design_networks(isolated.candidates_us, 36, rng)
        measured = latencies(networks) * np.exp(rng.normal(0, 0.01, len(networks)))
        fresh = random_networks(isolated, 200, rng)
        true = latencies(fresh)
        fits = [fitted(isolated, networks, measured, shrinkage=s) for s in (None, Shrinkage())]
        predictions = [*(predict(fit, isolated, fresh) for fit in fits), isolated.sums_us(fresh)]
        errors.append([mean_error(predicted, true) for predicted in predictions])
    calibrated, line, plain = np.mean(errors, axis=0)
    assert calibrated < line < plain


def test_where_nothing_but_a_line_holds_little_is_lost():
    rng = np.random.default_rng(0)
    isolated, ratios = make_isolated(rng), []
    for _ in range(20):
        latencies = truth_of(isolated, rng, spread=0.0)
        networks = design_networks(isolated.candidates_us, 24, rng)
        measured = latencies(networks) * np.exp(rng.normal(0, 0.01, len(networks)))
        fresh = random_networks(isolated, 200, rng)
        ratios.append(mean_error(predict(fitted(isolated, networks, measured), isolated, fresh),
                                 latencies(fresh)))  # fmt: skip
    assert np.mean(ratios) < 0.01, "less than the noise of one measurement"


def test_leave_one_out_errors_are_those_of_really_leaving_one_out():
    rng = np.random.default_rng(1)
    isolated = make_isolated(rng)
    networks = np.array(design_networks(isolated.candidates_us, 20, rng))
    measured = truth_of(isolated, rng, spread=0.1)(networks) * np.exp(rng.normal(0, 0.01, len(networks)))
    shrinkage = Shrinkage(spread=30.0, shared=0.5)
    fit = fitted(isolated, networks, measured, shrinkage=shrinkage)
    for left_out in range(len(networks)):
        others = np.arange(len(networks)) != left_out
        without = fitted(isolated, networks[others], measured[others], shrinkage=shrinkage)
        predicted = predict(without, isolated, networks[[left_out]])[0]
        assert 1 - predicted / measured[left_out] == pytest.approx(fit.errors[left_out], abs=1e-9)


def test_what_stands_in_no_network_gets_the_line_alone():
    rng = np.random.default_rng(2)
    isolated = make_isolated(rng)
    networks = random_networks(isolated, 30, rng)
    networks[networks == 2] = 1
    measured = truth_of(isolated, rng, spread=0.1)(networks)
    for shrinkage in (Shrinkage(100.0, 0.0), Shrinkage(100.0, 1.0)):
        fit = fitted(isolated, networks, measured, shrinkage=shrinkage)
        assert (corrections(isolated, fit)[:, 2] == 0).all() and (corrections(isolated, fit)[:, 1] != 0).all()


def test_an_operator_seen_elsewhere_lends_what_it_shares():
    rng = np.random.default_rng(3)
    isolated = make_isolated(rng)
    networks = random_networks(isolated, 30, rng)
    networks[networks[:, 0] == 2, 0] = 1
    measured = truth_of(isolated, rng, spread=0.1, shared=True)(networks)
    alone = fitted(isolated, networks, measured, shrinkage=Shrinkage(100.0, 0.0))
    lent = fitted(isolated, networks, measured, shrinkage=Shrinkage(100.0, 1.0))
    assert corrections(isolated, alone)[0, 2] == 0
    assert corrections(isolated, lent)[0, 2] == pytest.approx(corrections(isolated, lent)[1, 2])


def test_a_block_lends_its_other_shapes_what_they_have_in_common():
    apart = [Shrinkage(spread, shared) for spread in (10.0, 100.0, 1000.0) for shared in (0.0, 0.5, 1.0)]
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        isolated = make_isolated(rng, num_slots=16, num_candidates=6)
        latencies = truth_of(isolated, rng, spread=0.3, alike=True)
        networks, fresh = (random_networks(isolated, count, rng) for count in (30, 100))
        measured = latencies(networks) * rng.normal(1, 0.005, 30)
        fits = [fitted(isolated, networks, measured, shrinkage=one) for one in (None, *apart)]
        assert fits[0].shrinkage.alike >= 0.5
        errors.append([mean_error(predict(fit, isolated, fresh), latencies(fresh)) for fit in fits])
    chosen, *others = np.mean(errors, axis=0)
    assert chosen < 0.6 * min(others)


@given(st.integers(0, 10**6))
@settings(max_examples=8)
def test_no_candidate_costs_less_than_nothing_and_sums_stay(seed):
    rng = np.random.default_rng(seed)
    isolated = make_isolated(rng)
    networks = design_networks(isolated.candidates_us, 36, rng)
    latencies = truth_of(isolated, rng, spread=0.3)(networks)
    assume((latencies > 0).all())
    fit = fitted(isolated, networks, latencies)
    fixed, own = coefficients(isolated, fit)
    assert own.min() >= 0
    for choices in random_networks(isolated, 5, rng):
        places = (np.arange(len(choices)), choices)
        total = (
            fit.intercept_us
            + fit.slope * isolated.sums_us([choices])[0]
            + corrections(isolated, fit)[places].sum()
        )
        assert fixed + own[places].sum() == pytest.approx(total)


def test_slots_may_have_different_numbers_of_candidates():
    rng = np.random.default_rng(4)
    candidates = np.array([[10.0, 20.0, np.nan], [5.0, 8.0, 30.0]])
    isolated = Layers(7.0, candidates, np.array([[0, 1, 5], [2, 3, 4]]), np.array([[0, 1, 3], [0, 1, 2]]))
    networks = design_networks(candidates, 6, rng)
    fit = fitted(isolated, networks, 3 + 1.2 * isolated.sums_us(networks))
    assert fit.slope == pytest.approx(1.2) and fit.intercept_us == pytest.approx(3)
    assert np.isnan(corrections(isolated, fit)[0, 2]) and np.isfinite(corrections(isolated, fit)[1]).all()
    fixed, own = coefficients(isolated, fit)
    assert np.isnan(own[0, 2]) and fixed + own[0, 1] + own[1, 2] == pytest.approx(3 + 1.2 * 57)


@pytest.mark.parametrize("measured", [[9.0, 6.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]])
def test_networks_that_do_not_grow_with_their_sums_are_refused(measured):
    isolated = Layers(1.0, np.array([[1.0, 2.0], [3.0, 9.0]]), *[np.arange(4).reshape(2, 2)] * 2)
    networks = [(0, 0), (1, 0), (0, 1), (1, 1)]
    if measured[0] == measured[-1]:
        measured = [value * (1 - 1e-3 * index) for index, value in enumerate(measured)]
    for shrinkage in (None, Shrinkage(), Shrinkage(10.0, 0.5, 0.5)):
        with pytest.raises(MeasurementError, match="do not take longer"):
            fitted(isolated, networks, measured, shrinkage=shrinkage)


@pytest.mark.parametrize("networks", [[(0, 0), (1, 1)], [(0, 0)] * 5])
def test_too_few_networks_are_refused(networks):
    isolated = Layers(1.0, np.array([[1.0, 2.0], [3.0, 9.0]]), *[np.arange(4).reshape(2, 2)] * 2)
    with pytest.raises(MeasurementError, match="measure more"):
        fitted(isolated, networks, [1.0 + index for index in range(len(networks))])
