"""What every crew keeps: the results of a function in the items' order, whoever computes them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from fbsearch.errors import DependencyError, FbsearchError, ProxyError, WorkerError
from fbsearch.search.trials.workers import Workers, open_crew

CREWS = [
    1,
    pytest.param(2, marks=pytest.mark.ci),
    pytest.param("ray", marks=pytest.mark.ci),
]


@pytest.fixture(params=CREWS)
def workers(request: pytest.FixtureRequest) -> Workers:
    if request.param == "ray":
        pytest.importorskip("ray")
    workers: Workers = request.param
    return workers


def noisy_sum(seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    return float(torch.randn(64, 64, generator=generator).mm(torch.ones(64, 64)).sum())


def num_threads(item: int) -> int:
    return torch.get_num_threads()


def refuse(item: int) -> int:
    if item == 2:
        raise ProxyError("two is none")
    return item


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def die(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def ignore(done: int) -> None:
    pass


def test_results_come_in_order_and_are_counted(workers: Workers) -> None:
    counts: list[int] = []
    with open_crew(workers) as crew:
        results = crew.map(noisy_sum, range(6), counts.append)
        assert crew.map(noisy_sum, [], ignore) == []
    assert results == [noisy_sum(seed) for seed in range(6)]
    assert sorted(counts) == [1, 2, 3, 4, 5, 6]


def test_each_computes_with_one_thread(workers: Workers) -> None:
    before = torch.get_num_threads()
    with open_crew(workers) as crew:
        assert crew.map(num_threads, range(3), ignore) == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_an_error_of_the_function_is_raised_as_it_is(workers: Workers) -> None:
    with open_crew(workers) as crew, pytest.raises(ProxyError, match="two is none"):
        crew.map(refuse, range(4), ignore)


@pytest.mark.ci
def test_what_a_killed_worker_computed_is_computed_again(tmp_path: Path) -> None:
    markers = [tmp_path / str(number) for number in range(4)]
    for marker in markers[1:]:
        marker.touch()
    with open_crew(2) as crew:
        assert crew.map(die_once, markers, ignore) == ["0", "1", "2", "3"]


@pytest.mark.ci
def test_workers_that_die_over_one_item_again_and_again_are_given_up() -> None:
    with open_crew(2) as crew, pytest.raises(WorkerError, match="memory"):
        crew.map(die, [0], ignore)


def test_a_missing_ray_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(DependencyError, match=r"fbsearch\[ray\]"), open_crew("ray"):
        pass
    assert issubclass(DependencyError, FbsearchError)
