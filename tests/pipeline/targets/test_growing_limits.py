"""Searches in open spaces: what leaders take is measured, joins the table, and no estimate wins."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fbsearch.costs import EstimatingLatency
from fbsearch.devices import Measurement, find_device
from fbsearch.export import ConversionCache
from fbsearch.export.cache import CACHE_VARIABLE
from fbsearch.latency import LatencyTable
from fbsearch.latency.measuring.naming import growth_journal_path
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.profiling import profile
from fbsearch.pipeline.choice.choosing import choose_measured
from fbsearch.pipeline.choice.meters import designed_table
from fbsearch.pipeline.recipe import ConfirmSettings
from fbsearch.pipeline.targets.between import GrowingLimits
from fbsearch.pipeline.targets.search import latency_on, limit_of, meter_of
from fbsearch.search import Finalist, SearchResult
from fbsearch.search.limit import predict_us
from tests.cli.phones import ROOT, place, write_device
from tests.devices.simulated import SimulatedDevice, simulated_models
from tests.latency.simulated_networks import Stop, StoppingDevice
from tests.latency.simulated_spaces import SpaceDevice, in_context_us, models_of
from tests.spaces.wide import WideSpace
from tools.simulated_phone import SimulatedPhone

WIDE = WideSpace(max_width=64)
LEADERS = [WIDE.decode(code) for code in ((1, 8, 1), (8, 1, 8))]


@pytest.fixture(autouse=True)
def unconverted(monkeypatch):
    """Models are paths whose names say what they are of."""
    monkeypatch.setattr(
        "fbsearch.pipeline.targets.growing.ModelSource", lambda jobs: ModelSource(operators=simulated_models)
    )


def first_operators(*, without=()):
    """Of random networks, but none that ``without`` take."""
    rng = np.random.default_rng(1)
    own = {operator for one in without for operator in one.operators() if operator.kind == "conv"}
    networks = [WIDE.decode(WIDE.sample(rng)) for _ in range(12)]
    return [operator for one in networks for operator in one.operators() if operator not in own]


def target_on(device, path: Path, *, number: int = 1, calibrate: int = 0, told: list[str] | None = None):
    """A run's target as far as growing its table goes."""
    lines = [] if told is None else told
    settings = SimpleNamespace(
        budget_ms=1.0,
        device=SimpleNamespace(name=device.name),
        profile=SimpleNamespace(jobs=1, protocol=device.definition.protocol),
    )
    return SimpleNamespace(
        number=number,
        device=device,
        settings=settings,
        table_path=path,
        load_table=lambda: LatencyTable.load(path),
        is_calibrated=calibrate > 0,
        tell=lambda kind, text: lines.append(f"{kind}: {text}"),
    )


@pytest.fixture
def path(tmp_path) -> Path:
    """A table that lacks most of what the leaders take."""
    path = tmp_path / "table.json"
    operators = first_operators(without=LEADERS)
    profile(
        WIDE, SimulatedDevice(), out=path, operators=operators, models=ModelSource(operators=simulated_models)
    )
    return path


def estimated(limit, networks) -> list[float]:
    assert isinstance(limit.cost, EstimatingLatency)
    return [limit.cost.estimated_share(one) for one in networks]


def test_what_leaders_take_is_measured_and_the_limits_know_it(path):
    told: list[str] = []
    target = target_on(SimulatedDevice(), path, told=told)
    before = limit_of(target, WIDE)
    assert min(estimated(before, LEADERS)) > 0.2
    between = GrowingLimits([target], WIDE, [before])
    (after,) = between(LEADERS)
    assert estimated(after, LEADERS) == [0, 0]
    assert (after.bound, after.target) == (before.bound, before.target)
    table = LatencyTable.load(path)
    assert [after.cost.of(WIDE.encode(one)) for one in LEADERS] == [
        table.architecture_us(one) for one in LEADERS
    ]
    assert after.cost.estimator.errors.num_operators > before.cost.estimator.errors.num_operators
    assert told == ["search: measuring 5 operators of leading candidates on simulated"]


def test_where_nothing_is_missing_nothing_changes(path):
    target = target_on(SimulatedDevice(), path)
    between = GrowingLimits([target], WIDE, [limit_of(target, WIDE)])
    between(LEADERS)
    before = path.read_bytes()
    assert between(LEADERS) is None
    assert path.read_bytes() == before


def test_other_limits_stay_as_they_are(path):
    target = target_on(SimulatedDevice(), path)
    limit = limit_of(target, WIDE)
    other = SimpleNamespace(cost=None, bound=1, target=None)
    assert GrowingLimits([target], WIDE, [limit, other])(LEADERS)[1:] == (other,)


def test_every_device_measures_what_its_own_table_lacks(path, tmp_path):
    complete = tmp_path / "complete.json"
    shutil.copyfile(path, complete)
    first, second = target_on(SimulatedDevice(), path), target_on(SimulatedDevice(), complete, number=2)
    assert GrowingLimits([second], WIDE, [limit_of(second, WIDE)])(LEADERS)
    limits = [limit_of(one, WIDE) for one in (first, second)]
    device = second.device
    device.runners.clear()
    grown = GrowingLimits([first, second], WIDE, limits)(LEADERS)
    assert not device.runners, "its table lacks nothing"
    assert [estimated(limit, LEADERS) for limit in grown] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("invocations", [50, 400])
def test_killed_while_it_measures_it_goes_on_there(path, invocations):
    before = path.read_bytes()
    broken = target_on(StoppingDevice(invocations), path)
    with pytest.raises(Stop):
        GrowingLimits([broken], WIDE, [limit_of(broken, WIDE)])(LEADERS)
    assert path.read_bytes() == before
    kept = growth_journal_path(path).read_text().splitlines()
    target = target_on(SimulatedDevice(), path)
    (after,) = GrowingLimits([target], WIDE, [limit_of(target, WIDE)])(LEADERS)
    assert estimated(after, LEADERS) == [0, 0]
    assert len(kept) > 1 and not growth_journal_path(path).exists()
    again = limit_of(target_on(SimulatedDevice(), path), WIDE)  # a resumed search
    assert estimated(again, LEADERS) == [0, 0]


class Proposing:
    """Proposes the same finalists within any limits that admit them."""

    space = WIDE

    def finalists(self, limits, *, excluded=()):
        codes = [WIDE.encode(one) for one in LEADERS if one not in excluded]
        kept = [code for code in codes if all(limit.admits(code) for limit in limits)]
        return [Finalist(code, WIDE.decode(code), predict_us(limits, code), 0.5, "evolved") for code in kept]

    def choose(self, finalists):
        return 0

    def result(self, limits, finalists, *, chosen):
        return SearchResult(WIDE, "zen", tuple(limits), tuple(finalists), chosen, 1.0)


@pytest.mark.parametrize("num_networks", [0, 8])
def test_no_estimate_wins(tmp_path, monkeypatch, num_networks):
    """The winner's operators are measured, and so is the whole winner; both join the table."""
    path, device, models = tmp_path / "table.json", SpaceDevice(WIDE), models_of(WIDE)
    profile(
        WIDE, device, out=path, operators=None if num_networks else first_operators(without=LEADERS),
        models=models, num_networks=num_networks,
    )  # fmt: skip
    target = target_on(device, path, calibrate=num_networks)
    measured: list[object] = []

    def measure(networks):
        measured.extend(networks)
        return [Measurement(((round(in_context_us(one), 2),) * 5,) * 8) for one in networks]

    monkeypatch.setattr("fbsearch.pipeline.targets.search.whole_network_meter", lambda target: measure)
    limit = limit_of(target, WIDE)
    limit = type(limit)(limit.cost, 1e6, target=limit.target)
    meters = {str(limit.target): meter_of(target, WIDE, [])}
    result = choose_measured(Proposing(), [limit], meters=meters, settings=ConfirmSettings())
    (latency,) = result.record().winner.latencies
    assert latency.estimated_share == latency.estimated_error == 0
    assert latency.measured_us == pytest.approx(in_context_us(LEADERS[0]), abs=0.01) and measured == LEADERS
    table = LatencyTable.load(path)
    assert not table.missing(operator for one in LEADERS for operator in one.operators())
    predicted_us = latency_on(target, WIDE).of(result.winner.code)
    assert latency.predicted_us == pytest.approx(predicted_us)
    if num_networks:
        origins = [network.origin for network in table.calibration.networks]
        assert origins == ["design"] * 8 + ["search"] * 2
        begun = designed_table(table, WIDE).calibration
        assert [network.origin for network in begun.networks] == ["design"] * 8
    assert result.record().targets[0].estimation.num_operators > 8


@pytest.mark.slow
def test_on_a_simulated_phone(tmp_path, monkeypatch):
    """A phone that is reached over ADB measures what leaders take, with a model file of its own for each."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "devices").mkdir()
    monkeypatch.chdir(tmp_path)
    cache, model = ConversionCache(), next((ROOT / "tests" / "tflite_runtime" / "models").glob("*_r*.tflite"))
    for operator in [*first_operators(), *(op for one in LEADERS for op in one.operators()), SENTINEL]:
        copy = cache.path(operator, "tflite")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, copy)
    with SimulatedPhone(tmp_path / "phone") as phone:
        monkeypatch.setattr("fbsearch.pipeline.targets.growing.ModelSource", ModelSource)
        write_device("sim", place(phone))
        path, device = tmp_path / "table.json", find_device("sim")
        profile(WIDE, device, out=path, operators=first_operators(without=LEADERS))
        target = target_on(device, path)
        (after,) = GrowingLimits([target], WIDE, [limit_of(target, WIDE)])(LEADERS)
        assert LatencyTable.load(path).device.model == "Google Pixel 7 Pro"
        assert estimated(after, LEADERS) == [0, 0]
