"""What finalists tell the calibration, and the choice among measured finalists."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from fbsearch.costs import AdditiveCost, latency_cost
from fbsearch.devices import Measurement
from fbsearch.errors import BudgetError
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.choice.choosing import FinalistMeter, choose_measured
from fbsearch.pipeline.choice.meters import Recalibration, designed_table
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.search import Finalist, Limit
from fbsearch.search.limit import predict_us
from fbsearch.spaces import load_space
from tests.latency.sample_table import sample_calibration, sample_table

SPACE = load_space("digits")


def measured_as(latency_us):
    return Measurement(((latency_us,) * 3,) * 8)


@pytest.fixture(scope="module")
def table():
    plain = sample_table(SPACE)
    return plain.with_calibration(sample_calibration(SPACE, plain))


def test_finalists_join_the_calibration_and_the_file(table, tmp_path):
    path = tmp_path / "table.json"
    rng = np.random.default_rng(0)
    finalists = {SPACE.decode(SPACE.sample(rng)): measured_as(us) for us in (3000.0, 2000.0)}
    cost = Recalibration(SPACE, table, path)(finalists)
    saved = LatencyTable.load(path)
    origins = [network.origin for network in saved.calibration.networks]
    assert origins == ["design"] * 24 + ["search"] * 2
    before = latency_cost(SPACE, table)
    for architecture, one in finalists.items():
        choices = SPACE.encode(architecture)
        assert cost.of(choices) == pytest.approx(saved.calibration.predict_us(choices))
        assert abs(cost.of(choices) / one.latency_us - 1) < abs(before.of(choices) / one.latency_us - 1)


def test_a_resumed_search_sees_the_latencies_that_it_began_with(table, tmp_path):
    path = tmp_path / "table.json"
    Recalibration(SPACE, table, path)({SPACE.decode((0, 1, 2, 3)): measured_as(3000.0)})
    again = designed_table(LatencyTable.load(path), SPACE)
    assert again.calibration.header.fit == table.calibration.header.fit
    assert again.calibration.networks == table.calibration.networks
    assert designed_table(table, SPACE) is table


def test_finalists_that_fit_in_with_nothing_change_nothing(table, tmp_path):
    path = tmp_path / "table.json"
    fastest = tuple(int(i) for i in np.nanargmin(latency_cost(SPACE, table, plain=True).coefficients, axis=1))
    absurd = {SPACE.decode(fastest): measured_as(1e9)}
    cost = Recalibration(SPACE, table, path)(absurd)
    assert cost.of(fastest) < 1e8
    assert LatencyTable.load(path).calibration is not None


@dataclass
class FakeSearch:
    """Proposes architectures whose predictions are too low by a constant factor."""

    predicted_us: list[float]
    factor: float
    measured: list[tuple[int, ...]] = field(default_factory=list)

    def latency(self, factor=1.0) -> AdditiveCost:
        """As predicted, where predictions are believed to be too low by a factor."""
        return AdditiveCost("latency_us", 0.0, factor * np.array([self.predicted_us]))

    def within(self, budget_us) -> Limit:
        return Limit(self.latency(), budget_us, target="bench")

    def finalists(self, limits, *, excluded=()) -> list[Finalist]:
        within = [
            (i,)
            for i in range(len(self.predicted_us))
            if (i,) not in excluded and all(limit.admits((i,)) for limit in limits)
        ]
        if not within:
            raise BudgetError("below the cheapest")
        slowest_first = sorted(within, key=lambda choices: -limits[0].cost.of(choices))[:2]
        return [
            Finalist(code, code, predict_us(limits, code), 0.9 - 0.1 * rank, "sampled")
            for rank, code in enumerate(slowest_first)
        ]

    def measure(self, networks):
        self.measured.extend(networks)
        return [measured_as(self.predicted_us[choices[0]] * self.factor) for choices in networks]

    def choose(self, finalists):
        return 0

    def result(self, limits, finalists, *, chosen):
        return finalists[chosen]


def test_measured_finalists_over_the_budget_give_way_to_faster_ones():
    search = FakeSearch([50.0, 70.0, 80.0, 90.0, 95.0], factor=1.3)
    winner = choose_measured(
        search,
        [search.within(100.0)],
        meters={"bench": FinalistMeter(search.measure)},
        settings=ConfirmSettings(margin=0.03),
    )
    assert winner.measured_us["bench"] == pytest.approx(91.0)  # 70 predicted: the slowest that keeps 97
    assert len(set(search.measured)) == len(search.measured)  # nothing is measured twice


def test_no_finalist_within_the_budget_is_an_error_with_what_was_measured():
    search = FakeSearch([99.0, 100.0], factor=2.0)
    with pytest.raises(BudgetError):
        choose_measured(
            search,
            [search.within(100.0)],
            meters={"bench": FinalistMeter(search.measure)},
            settings=ConfirmSettings(),
        )


def test_what_was_measured_moves_the_predictions_and_what_was_over_is_put_aside():
    search, told = FakeSearch([50.0, 60.0, 70.0, 80.0, 90.0, 95.0], factor=1.3), []

    def recalibrate(measured):
        told.append(dict(measured))
        return search.latency(search.factor)

    winner = choose_measured(
        search,
        [search.within(100.0)],
        meters={"bench": FinalistMeter(search.measure, recalibrate)},
        settings=ConfirmSettings(margin=0.03),
    )
    assert winner.measured_us["bench"] == pytest.approx(91.0) == winner.predicted_us["bench"]
    assert [set(known) for known in told] == [{(5,), (4,)}, {(5,), (4,), (2,), (1,)}]


def test_a_calibration_that_learns_nothing_still_takes_the_next_best():
    search = FakeSearch([60.0, 70.0, 80.0, 90.0, 95.0], factor=1.3)
    winner = choose_measured(
        search,
        [search.within(100.0)],
        meters={"bench": FinalistMeter(search.measure, lambda known: search.latency())},
        settings=ConfirmSettings(),
    )
    assert winner.measured_us["bench"] == pytest.approx(91.0)
    assert len(set(search.measured)) == len(search.measured) == 4


def test_a_space_without_a_network_in_the_budget_is_exhausted_and_said_so():
    search = FakeSearch([90.0, 95.0, 99.0], factor=1.3)
    with pytest.raises(BudgetError, match=r"none of 3 finalists keeps.*the fastest took 0\.117 ms"):
        choose_measured(
            search,
            [search.within(100.0)],
            meters={"bench": FinalistMeter(search.measure, lambda known: search.latency())},
            settings=ConfirmSettings(),
        )


@pytest.mark.parametrize("learns", [True, False])
def test_finalists_keep_the_budget_of_every_device(learns):
    latencies_us = [50.0, 60.0, 70.0, 80.0, 90.0]
    tablet = AdditiveCost("latency_us", 0.0, np.array([latencies_us]))
    slower = AdditiveCost("latency_us", 0.0, 1.3 * np.array([latencies_us]))
    search = FakeSearch(latencies_us, factor=1.0)
    limits = [search.within(100.0), Limit(tablet, 92.0, target="tablet")]
    meters = {
        "bench": FinalistMeter(search.measure),
        "tablet": FinalistMeter(
            lambda networks: [measured_as(slower.of(choices)) for choices in networks],
            (lambda known: slower) if learns else None,
        ),
    }
    winner = choose_measured(search, limits, meters=meters, settings=ConfirmSettings(margin=0.0))
    assert winner.code == (2,) and winner.measured_us["bench"] == pytest.approx(70.0)
    assert winner.measured_us["tablet"] == pytest.approx(91.0)
    assert set(search.measured) == {(4,), (3,), (2,), (1,)}


def test_the_device_that_no_finalist_keeps_up_with_is_named():
    search = FakeSearch([50.0, 60.0], factor=1.0)
    limits = [search.within(100.0), Limit(search.latency(), 100.0, target="tablet")]
    meters = {
        "bench": FinalistMeter(search.measure),
        "tablet": FinalistMeter(lambda networks: [measured_as(2e3)] * len(networks)),
    }
    told = r"0\.1 ms on bench \(the .* and 0\.1 ms on tablet \(the fastest took 2 ms"
    with pytest.raises(BudgetError, match=told):
        choose_measured(search, limits, meters=meters, settings=ConfirmSettings())


@pytest.mark.parametrize("learns", [True, False])
def test_an_exported_model_over_the_budget_makes_way(learns):
    search = FakeSearch([50.0, 60.0, 70.0, 80.0, 90.0], factor=1.05)
    recalibrate = (lambda known: search.latency(search.factor)) if learns else None
    winner = choose_measured(
        search,
        [search.within(90.0)],
        meters={"bench": FinalistMeter(search.measure, recalibrate, {(3,): measured_as(95.0)})},
        settings=ConfirmSettings(margin=0.0),
    )
    assert winner.measured_us["bench"] == pytest.approx(73.5)
    assert (3,) not in search.measured


def test_the_file_tells_which_network_was_exported(table, tmp_path):
    path = tmp_path / "table.json"
    searched, exported = SPACE.decode((0, 1, 2, 3)), SPACE.decode((3, 2, 1, 0))
    networks = {searched: measured_as(3000.0), exported: measured_as(2000.0)}
    Recalibration(SPACE, table, path, exported=frozenset({exported}))(networks)
    saved = LatencyTable.load(path).calibration.networks
    assert [network.origin for network in saved[-2:]] == ["search", "export"]
