"""The search itself, on a small space and few digits: modes, budgets, penalties, resuming, collapse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fbsearch.costs import latency_cost, parameter_cost
from fbsearch.data import load_data
from fbsearch.errors import BudgetError, CheckpointError, TrainingError
from fbsearch.nn import Supernet
from fbsearch.search import Finalist, Limit, Problem, Session
from fbsearch.search.relaxed import DnasSettings, search_supernet
from fbsearch.search.relaxed.collapse import describe_collapse, describe_indecision
from fbsearch.search.relaxed.objective import most_used
from fbsearch.search.relaxed.proposals import most_accurate
from fbsearch.spaces import parse_definition
from fbsearch.train import load_state, make_accelerator
from tests.latency.sample_table import sample_table
from tests.spaces.chains import most_candidates

SPACE = parse_definition(
    {
        "name": "tiny",
        "resolution": 8,
        "in_channels": 1,
        "num_classes": 10,
        "stem": {"channels": 8, "stride": 1},
        "stages": [{"channels": 8, "layers": 3}],
        "candidates": ["k3_e1", "k3_e3", "k5_e6", "skip"],
    },
    source="test",
).build()
LATENCY = latency_cost(SPACE, sample_table(SPACE))
MIDDLE_US = sum(LATENCY.range()) / 2
SETTINGS = DnasSettings(
    epochs=3,
    warmup_epochs=1,
    batch_size=32,
    learning_rate=0.05,
    architecture_learning_rate=0.1,
    num_finalists=3,
    calibration_batches=2,
)


@pytest.fixture(scope="module")
def data():
    return load_data("digits", resolution=8, in_channels=1, seed=0, limit=300)


def within(budget_us):
    return Limit(LATENCY, budget_us, target="device")


def search(data, folder, *, budget_us=MIDDLE_US, resume=False, limits=(), **changes):
    problem = Problem(
        space=SPACE,
        limits=(within(budget_us), *limits),
        data=data,
        augmentation=None,
        settings=SETTINGS.model_copy(update=changes),
        seed=0,
    )
    accelerator = make_accelerator("fp32")
    return search_supernet(problem, Session(folder, resume, accelerator, progress=False))


def is_equal(first, second) -> bool:
    """Whether two nested states are the same, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second) and first.stride() == second.stride()
    if isinstance(first, dict):
        return list(first) == list(second) and all(is_equal(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(is_equal, first, second))
    return first == second


@pytest.mark.parametrize("mode", ["soft", "hard", "sampled"])
@pytest.mark.parametrize("objective", ["budget", "fbnet"])
def test_every_mode_and_objective_ends_with_ranked_finalists_within_the_budget(
    data, tmp_path, mode, objective
):
    searched = search(data, tmp_path, mode=mode, objective=objective)
    finalists = searched.finalists([within(MIDDLE_US)])
    assert len({finalist.architecture for finalist in finalists}) == len(finalists) == 3
    assert all(finalist.predicted_us["device"] <= MIDDLE_US for finalist in finalists)
    accuracies = [finalist.val_accuracy for finalist in finalists]
    assert accuracies == sorted(accuracies, reverse=True)
    assert sum(finalist.source == "most probable" for finalist in finalists) == 1


def test_the_mode_of_theta_is_its_own(data, tmp_path, monkeypatch):
    computed = set()
    forward = Supernet.forward

    def watched(self, x, weights, paths=None):
        if self.training:
            computed.add((weights.requires_grad, paths is None))
        return forward(self, x, weights, paths)

    monkeypatch.setattr(Supernet, "forward", watched)
    search(data, tmp_path, mode="sampled", architecture_mode="hard")
    assert computed == {(False, False), (True, True)}


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_expected_latency_is_driven_to_the_budget(data, tmp_path, share):
    least, greatest = LATENCY.range()
    budget_us = least + share * (greatest - least)
    searched = search(
        data,
        tmp_path,
        budget_us=budget_us,
        mode="sampled",
        epochs=40,
        batch_size=8,
        architecture_learning_rate=0.1,
    )
    expected = LATENCY.expectation(searched.task.distribution.probabilities().detach())
    assert float(expected) == pytest.approx(budget_us, rel=0.001)


def test_the_budget_that_is_used_most_is_driven_to_its_bound_and_all_are_kept(data, tmp_path):
    params = parameter_cost(SPACE)
    least, greatest = params.range()
    limit = Limit(params, least + 0.25 * (greatest - least))
    loose_us = 2 * LATENCY.range()[1]
    searched = search(
        data, tmp_path, budget_us=loose_us, limits=(limit,), mode="sampled", epochs=40, batch_size=8
    )
    probabilities = searched.task.distribution.probabilities().detach()
    assert float(params.expectation(probabilities)) == pytest.approx(limit.bound, rel=0.001)
    limits = [within(loose_us), limit]
    finalists = searched.finalists(limits)
    assert all(limit.admits(finalist.code) for finalist in finalists)
    result = searched.result(limits, finalists, chosen=0).record().model_dump(mode="json")
    assert [target["name"] for target in result["targets"]] == ["device"]
    assert result["budgets"] == [{"cost": "num_params", "bound": limit.bound, "range": [least, greatest]}]
    assert result["finalists"][0]["costs"] == {"num_params": params.of(finalists[0].code)}


def test_the_most_used_of_several_budgets_is_told_in_the_unit_of_the_first():
    params = parameter_cost(SPACE)
    limits = [Limit(LATENCY, MIDDLE_US), Limit(params, params.range()[1])]
    weights = torch.full((len(SPACE.decisions), most_candidates(SPACE)), 1 / most_candidates(SPACE))
    shares = [float(limit.cost.expectation(weights)) / limit.bound for limit in limits]
    assert float(most_used(limits)(weights)) == pytest.approx(max(shares) * MIDDLE_US, rel=1e-5)
    assert float(most_used(limits[:1])(weights)) == float(LATENCY.expectation(weights))


def test_a_resource_penalty_shrinks_the_expected_network(data, tmp_path):
    cost = parameter_cost(SPACE)
    expected = []
    for name, penalties in (("without", {}), ("with", {"num_params": 2000.0})):
        searched = search(
            data, tmp_path / name, objective="fbnet", mode="sampled", epochs=6, penalties=penalties
        )
        expected.append(float(cost.expectation(searched.task.distribution.probabilities().detach())))
    assert expected[1] < 0.8 * expected[0]


def test_theta_is_frozen_during_the_warm_up(data, tmp_path):
    searched = search(data, tmp_path, epochs=2, warmup_epochs=2)
    assert not searched.task.distribution.logits.any()


def test_an_interrupted_search_ends_bit_for_bit_like_one_that_was_not(data, tmp_path, monkeypatch):
    whole = search(data, tmp_path / "whole", mode="sampled")
    from fbsearch.search.relaxed.dnas import DnasTask

    run_epoch = DnasTask.run_epoch

    def stopping(self, epoch, report):
        if epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(self, epoch, report)

    monkeypatch.setattr(DnasTask, "run_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        search(data, tmp_path / "cut", mode="sampled")
    monkeypatch.undo()
    resumed = search(data, tmp_path / "cut", mode="sampled", resume=True)
    first, second = (load_state(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "cut"))
    assert is_equal(first, second)
    limits = [within(MIDDLE_US)]
    assert whole.finalists(limits) == resumed.finalists(limits)


def test_a_search_resumes_only_with_its_own_settings(data, tmp_path):
    search(data, tmp_path, epochs=1, warmup_epochs=0)
    with pytest.raises(CheckpointError, match="budget_us"):
        search(data, tmp_path, epochs=1, warmup_epochs=0, budget_us=MIDDLE_US * 1.01, resume=True)
    with pytest.raises(CheckpointError, match="resume"):
        search(data, tmp_path, epochs=1, warmup_epochs=0)


def test_an_impossible_budget_is_refused_before_anything_is_written(data, tmp_path):
    with pytest.raises(BudgetError, match="cheapest"):
        search(data, tmp_path, budget_us=LATENCY.range()[0] * 0.99)
    with pytest.raises(BudgetError, match="num_params"):
        search(data, tmp_path, limits=[Limit(parameter_cost(SPACE), 10.0)])
    assert not list(tmp_path.iterdir())


def test_a_diverging_search_says_which_settings_tame_it(data, tmp_path):
    with pytest.raises(TrainingError, match=r"search\.learning_rate"):
        search(data, tmp_path, learning_rate=1e12, warmup_epochs=0)


def test_collapse_is_reported_when_most_optional_layers_are_skipped():
    probabilities = np.full((3, 4), 0.1)
    probabilities[:, 3] = 0.7  # skip
    assert "skips 3 of the 3" in (describe_collapse(SPACE, probabilities) or "")
    probabilities[0, 0] = 0.9
    assert describe_collapse(SPACE, probabilities) is None


def test_a_search_that_decided_nothing_is_reported_as_undecided():
    even = np.full((3, 4), 0.25)
    told = describe_indecision(SPACE, even) or ""
    assert "entropy 1.386 of at most 1.386" in told and "search longer" in told
    nearly = even + np.array([0.02, -0.02, 0.01, -0.01])
    assert describe_indecision(SPACE, nearly) is not None
    decided = even.copy()
    decided[0] = [0.7, 0.1, 0.1, 0.1]
    assert describe_indecision(SPACE, decided) is None


def test_a_search_too_short_to_decide_says_so_in_its_result(data, tmp_path):
    searched = search(data, tmp_path, epochs=1, warmup_epochs=1)
    limits = [within(MIDDLE_US)]
    result = searched.result(limits, searched.finalists(limits), chosen=0)
    assert result.warnings == (result.undecided,) and "did not decide" in result.record().undecided


def test_among_equally_accurate_finalists_the_most_probable_is_taken():
    def finalist(accuracy, log_probability):
        return Finalist((0,), SPACE.decode((0, 0, 0)), {"device": 1.0}, accuracy, "sampled", log_probability)

    finalists = [finalist(0.90, -9.0), finalist(0.89, -1.0), finalist(0.70, -0.1)]
    assert most_accurate(finalists, num_images=100) == 1  # 0.90 - 0.03 is the bar
    assert most_accurate(finalists, num_images=100_000) == 0


def test_sampled_steps_leave_the_global_generator_alone(data, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    search(data, tmp_path, epochs=1, warmup_epochs=0)
    assert torch.equal(torch.rand(3), expected)
