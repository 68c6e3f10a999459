"""Scores by name, their repeats and their ensembles."""

import numpy as np
import pytest
import torch

from fbsearch.errors import InvalidInputError
from fbsearch.proxies import (
    expand_names,
    find_proxy,
    proxy_names,
    rank_log,
    register_proxy,
    score_subject,
    subject_of,
)
from fbsearch.spaces import load_space


@pytest.fixture(scope="module")
def subject():
    space = load_space("digits")
    return subject_of(space.decode(space.sample(np.random.default_rng(0))))


def test_same_seed_same_score_whatever_else_is_asked(subject):
    alone = score_subject(subject, ["zen"], repeats=2, seed=3, batch_size=4)
    others = score_subject(subject, ["params", "zen_released", "zen"], repeats=2, seed=3, batch_size=4)
    assert others["zen"] == alone["zen"]
    assert alone["zen"].std > 0
    assert score_subject(subject, ["zen"], repeats=2, seed=4, batch_size=4) != alone


def test_global_generator_is_left_alone(subject):
    before = torch.get_rng_state()
    score_subject(subject, ["zen"], repeats=1, seed=0, batch_size=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_counts_need_no_repeats(subject):
    scores = score_subject(subject, ["params", "macs"], repeats=5, seed=0, batch_size=2)
    assert scores["params"].repeats == 1 and scores["params"].std == 0


def test_unknown_names_are_told():
    with pytest.raises(InvalidInputError, match="'zenn' is no proxy; there are"):
        expand_names("params,zenn")
    with pytest.raises(InvalidInputError, match="no proxy is named"):
        expand_names(" , ")
    assert expand_names("all") == proxy_names()


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="already"):
        register_proxy(find_proxy("zen"))


def test_rank_log_adds_logarithms_of_ranks():
    scores = {"a": [1.0, 3.0, 2.0], "b": [-np.inf, 5.0, 5.0]}
    expected = np.log(np.array([1, 3, 2]) / 3) + np.log(np.array([1, 2.5, 2.5]) / 3)
    np.testing.assert_allclose(rank_log(scores), expected)
    with pytest.raises(InvalidInputError, match="same networks"):
        rank_log({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(InvalidInputError, match="NaN"):
        rank_log({"a": [1.0, float("nan")]})
