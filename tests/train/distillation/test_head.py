"""A head of the data's classes for a teacher of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fbsearch.errors import InvalidInputError
from fbsearch.train.distillation.head import LinearHead, fit_head, represented
from fbsearch.train.distillation.lesson import Lesson


def clusters(num_classes: int, count: int, *, spread: float) -> tuple[torch.Tensor, np.ndarray]:
    """Points around a centre for each class, far from the origin and on other scales."""
    rng = np.random.default_rng(3)
    labels = np.arange(count) % num_classes
    centres = rng.standard_normal((num_classes, 6))
    points = centres[labels] + spread * rng.standard_normal((count, 6))
    return torch.from_numpy(100 + points * np.geomspace(0.01, 100, 6)).float(), labels


@pytest.mark.parametrize("num_classes", [2, 3])
def test_tells_classes_apart(num_classes: int) -> None:
    points, labels = clusters(num_classes, 120, spread=0.1)
    head = fit_head(points, labels, num_classes, seed=0)
    scores = head(Lesson(points, None))
    assert scores.shape == (120, num_classes)
    assert (scores.argmax(1).numpy() == labels).mean() > 0.95


def test_is_not_surer_than_it_may_be() -> None:
    """Of labels that have nothing to do with the points it says that it does not know."""
    points, labels = clusters(2, 80, spread=1.0)
    shuffled = np.random.default_rng(0).permutation(labels)
    sure = fit_head(points, labels, 2, seed=0)(Lesson(points, None)).softmax(1).max(1).values.mean()
    unsure = fit_head(points, shuffled, 2, seed=0)(Lesson(points, None)).softmax(1).max(1).values.mean()
    assert float(unsure) < 0.7 < float(sure)


def test_sees_the_pooled_features_or_else_the_scores() -> None:
    scores, features = torch.randn(2, 5), torch.randn(2, 3, 4, 4)
    assert represented(Lesson(scores, None)) is scores
    assert torch.allclose(represented(Lesson(scores, features)), features.mean((2, 3)))


def test_is_the_same_each_time_and_when_it_comes_from_a_file() -> None:
    points, labels = clusters(3, 30, spread=0.5)
    first, second = (fit_head(points, labels, 3, seed=1) for _ in range(2))
    read = LinearHead.of(first.tensors())
    for other in (second, read):
        assert torch.equal(first(Lesson(points, None)), other(Lesson(points, None)))


def test_one_image_of_a_class_is_too_few() -> None:
    with pytest.raises(InvalidInputError, match="at least 2 training images of each class, one has 1"):
        fit_head(torch.randn(4, 2), np.array([0, 0, 0, 1]), 2, seed=0)


def test_images_shown_again_are_held_out_together() -> None:
    """Points of no meaning, each shown three times: known by heart they would seem to tell everything."""
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.standard_normal((60, 30))).float()
    labels = np.arange(60) % 2
    shown = points.repeat(3, 1) + 0.01 * torch.randn(180, 30, generator=torch.Generator().manual_seed(0))
    sure = fit_head(shown, labels, 2, seed=0)(Lesson(points, None)).softmax(1).max(1).values.mean()
    assert float(sure) < 0.7
