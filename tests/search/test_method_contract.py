"""What every method of searching keeps, whatever it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fbsearch.costs import latency_cost, parameter_cost
from fbsearch.data import DataSplits, load_data
from fbsearch.errors import BudgetError, CheckpointError, DataError, InvalidInputError
from fbsearch.records import SearchRecord
from fbsearch.search import (
    Finalist,
    Limit,
    MethodSettings,
    Problem,
    Searched,
    Session,
    find_method,
    method_names,
    relaxed,
    trials,
)
from fbsearch.spaces import parse_definition
from fbsearch.train import make_accelerator
from tests.latency.sample_table import sample_table

SPACE = parse_definition(
    {
        "name": "tiny", "resolution": 8, "in_channels": 1, "num_classes": 10,
        "stem": {"channels": 8, "stride": 1}, "stages": [{"channels": 8, "layers": 2}],
        "candidates": ["k3_e1", "k3_e3", "k5_e6", "skip"],
    },
    source="test",
).build()  # fmt: skip
LATENCY, PARAMS = latency_cost(SPACE, sample_table(SPACE)), parameter_cost(SPACE)
LIMITS = (
    Limit(LATENCY, sum(LATENCY.range()) / 2, target="device"),
    Limit(PARAMS, sum(PARAMS.range()) / 2),
)


@pytest.fixture(scope="module")
def data() -> DataSplits:
    return load_data("digits", resolution=8, in_channels=1, seed=0, limit=100)


def settings_of(name: str) -> MethodSettings:
    """Of a search of seconds; a search by trials needs no entry of its own."""
    fields: dict[str, dict[str, Any]] = {
        "dnas": {"epochs": 4, "warmup_epochs": 1, "batch_size": 16, "calibration_batches": 1},
        "zen": {"steps": 16, "generation": 4, "population": 6, "seeds": 4, "batch_size": 2},
    }
    by_trials = {"trials": 4, "training": {"epochs": 1, "batch_size": 32}}
    return find_method(name).settings.model_validate(
        {"method": name, "num_finalists": 2, **fields.get(name, by_trials)}
    )


def search(
    name: str, data: DataSplits, folder: Path, *, resume: bool = False, limits: Sequence[Limit] = LIMITS
) -> Searched:
    problem = Problem(SPACE, tuple(limits), data, None, settings_of(name), seed=0)
    session = Session(folder, resume, make_accelerator("fp32"), progress=False)
    return find_method(name).search(problem, session)


def known(finalists: Sequence[Finalist]) -> list[tuple[Any, ...]]:
    return [(one.code, one.worth, one.log_probability) for one in finalists]


@pytest.fixture(scope="module", params=method_names())
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def searched(method: str, data: DataSplits, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    return search(method, data, tmp_path_factory.mktemp("search"))


def test_finalists_keep_the_limits_and_are_the_architectures_of_their_codes(searched: Searched) -> None:
    finalists = searched.finalists(LIMITS)
    assert 1 <= len({one.architecture for one in finalists}) == len(finalists) <= 2
    worths = [one.worth for one in finalists]
    assert worths == sorted(worths, reverse=True)
    for one in finalists:
        assert all(limit.admits(one.code) for limit in LIMITS)
        assert one.architecture == searched.space.decode(one.code)
        assert one.predicted_us == {"device": LATENCY.of(one.code)}


def test_what_is_excluded_is_not_proposed(searched: Searched) -> None:
    first = searched.finalists(LIMITS)
    second = searched.finalists(LIMITS, excluded={first[0].architecture})
    assert first[0].architecture not in {one.architecture for one in second}


def test_one_that_learns_from_images_says_so_where_there_are_none(
    method: str, data: DataSplits, searched: Searched, tmp_path: Path
) -> None:
    problem = Problem(SPACE, LIMITS, None, None, settings_of(method), seed=0)
    session = Session(tmp_path, False, make_accelerator("fp32"), progress=False)
    if find_method(method).needs_data:
        with pytest.raises(DataError, match="none are given"):
            find_method(method).search(problem, session)
    else:
        found = find_method(method).search(problem, session)
        assert known(found.finalists(LIMITS)) == known(searched.finalists(LIMITS))


def test_budgets_that_nothing_keeps_are_refused(searched: Searched) -> None:
    least, _ = LATENCY.range()
    with pytest.raises(BudgetError):
        searched.finalists([Limit(LATENCY, least / 2, target="device")])


def test_its_result_comes_back_from_json(searched: Searched, method: str) -> None:
    finalists = searched.finalists(LIMITS)
    chosen = searched.choose(finalists)
    record = searched.result(LIMITS, finalists, chosen=chosen).record()
    assert SearchRecord.model_validate_json(record.model_dump_json()) == record
    assert record.method == method and record.winner.choices == finalists[chosen].code


def test_weights_to_start_from_are_the_architectures_own(searched: Searched) -> None:
    winner = searched.finalists(LIMITS)[0].architecture
    network = searched.trained(winner)
    assert network is None or network.architecture == winner


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(
    searched: Searched, method: str, data: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for task in (relaxed.DnasTask, trials.TrialsTask, trials.EvolutionTask):
            patch.setattr(task, "run_epoch", killed_in_epoch(2, task.run_epoch))
        with pytest.raises(KeyboardInterrupt):
            search(method, data, tmp_path)
    with pytest.raises(CheckpointError):
        search(method, data, tmp_path)
    resumed = search(method, data, tmp_path, resume=True)
    assert known(resumed.finalists(LIMITS)) == known(searched.finalists(LIMITS))


def killed_in_epoch(number: int, run_epoch: Any) -> Any:
    def run(self: Any, epoch: int, report: Any) -> Any:
        if epoch == number:
            raise KeyboardInterrupt
        return run_epoch(self, epoch, report)

    return run


def test_limits_of_a_sweep_are_merged_into_one_of_each_kind(method: str) -> None:
    tight = [Limit(LATENCY, LIMITS[0].bound / 2, target="device"), LIMITS[1]]
    merged = find_method(method).merge([LIMITS, tight])
    assert [limit.name for limit in merged] == [limit.name for limit in LIMITS]
    assert tight[0].bound <= merged[0].bound <= LIMITS[0].bound and merged[1].bound == LIMITS[1].bound


def test_an_unknown_method_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"no search method 'magic'; there are dnas, random, zen"):
        find_method("magic")
