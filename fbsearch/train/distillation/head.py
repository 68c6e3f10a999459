"""Soft labels in the data's classes from a teacher of others: a linear classifier on its features.

A teacher of ImageNet's 1000 classes knows nothing of ten others, but its features tell them apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fbsearch.errors import InvalidInputError
from fbsearch.train.distillation.lesson import Lesson

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the penalty that are tried, from strong to weak."""

_HELD_OUT = 0.2
"""Share of the images that judges them."""


class LinearHead:
    """Class scores from a lesson's features, pooled; from its logits where it shows no features.

    Args:
        weight: ``classes x D``.
        bias: ``classes``.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias

    def __call__(self, lesson: Lesson) -> Tensor:
        """Class scores ``B x classes``."""
        inputs = represented(lesson)
        return inputs @ self.weight.to(inputs.device).T + self.bias.to(inputs.device)

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`of` makes it from."""
        return {"weight": self.weight, "bias": self.bias}

    @staticmethod
    def of(tensors: Mapping[str, Tensor]) -> LinearHead:
        """The head of :meth:`tensors`."""
        return LinearHead(tensors["weight"], tensors["bias"])


def represented(lesson: Lesson) -> Tensor:
    """``B x D``: what the head sees."""
    return lesson.logits if lesson.features is None else lesson.features.mean((2, 3))


def fit_head(inputs: Tensor, labels: NDArray[np.int64], num_classes: int, *, seed: int) -> LinearHead:
    """Multinomial logistic regression on standardised inputs.

    Its penalty is the one that gives the held-out fifth of the images the highest likelihood, so that the
    scores are as sure as they may be; the head is then fitted on all.

    Args:
        inputs: ``RN x D``, as :func:`represented` gives them, of N images shown R times.
        labels: ``N``, of the images.
        num_classes: of the data.
        seed: of the images that are held out.

    Raises:
        InvalidInputError: if there are too few images to tell the classes apart.
    """
    counts = np.bincount(labels, minlength=num_classes)
    if counts.min() < 2:
        raise InvalidInputError(
            f"a head for the teacher needs at least 2 training images of each class, one has {counts.min()}: "
            "add images, or set distillation.head to none and feature_weight above 0"
        )
    values = inputs.double().cpu().numpy()
    mean, scale = values.mean(0), values.std(0) + 1e-8
    values = (values - mean) / scale
    num_shown = len(values) // len(labels)
    strength = _best_strength(values, labels, num_shown, seed)
    model = _fit(values, np.tile(labels, num_shown), strength)
    weight, bias = _two_sided(model)
    weight = weight / scale
    return LinearHead(torch.from_numpy(weight).float(), torch.from_numpy(bias - weight @ mean).float())


def _best_strength(
    values: NDArray[np.float64], labels: NDArray[np.int64], num_shown: int, seed: int
) -> float:
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    share = max(_HELD_OUT, len(np.unique(labels)) / len(labels))  # one of each class on either side
    images = np.arange(len(labels))
    fitted, _ = train_test_split(images, test_size=min(share, 0.5), stratify=labels, random_state=seed)
    # An image is held out in all its variations: they are too alike.
    is_fitted, shown = np.tile(np.isin(images, fitted), num_shown), np.tile(labels, num_shown)
    losses = []
    for strength in _STRENGTHS:
        model = _fit(values[is_fitted], shown[is_fitted], strength)
        losses.append(log_loss(shown[~is_fitted], model.predict_proba(values[~is_fitted])))
    return _STRENGTHS[int(np.argmin(losses))]


def _fit(values: NDArray[np.float64], labels: NDArray[np.int64], strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is good enough
        return LogisticRegression(C=strength, max_iter=300).fit(values, labels)


def _two_sided(model: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases per class; of two classes scikit-learn keeps those of the second alone."""
    if len(model.coef_) > 1:
        return model.coef_, model.intercept_
    half, bias = model.coef_ / 2, model.intercept_ / 2
    return np.concatenate([-half, half]), np.concatenate([-bias, bias])
