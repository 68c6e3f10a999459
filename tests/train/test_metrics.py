"""Metrics against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, log_loss, recall_score, top_k_accuracy_score
from torch import Tensor, nn

from fbsearch.data import ImageSet, Loader
from fbsearch.data.images import MemoryPixels
from fbsearch.train import Metrics, evaluate

NUM_CLASSES = 7


class Lookup(nn.Module):
    """Fixed logits per image: an image of one pixel holds its own number."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        numbers = (x[:, 0, 0, 0] * 255).round().long()
        return self.dropout(self.logits[numbers])


def evaluated(logits: Tensor, labels: np.ndarray, *, batch_size: int = 32) -> Metrics:
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    images = ImageSet(MemoryPixels(pixels, 1), labels)
    network = Lookup(logits).train()
    metrics = evaluate(network, Loader(images, batch_size=batch_size, mean=(0.0,), std=(1.0,)))
    assert network.training
    return metrics


def test_against_scikit_learn() -> None:
    torch.manual_seed(0)
    labels = np.random.default_rng(0).integers(0, NUM_CLASSES, 200)
    logits = torch.randn(200, NUM_CLASSES) + 1.5 * torch.eye(NUM_CLASSES)[labels]
    metrics = evaluated(logits, labels)
    predicted, probabilities = logits.argmax(1).numpy(), logits.double().softmax(1).numpy()
    assert metrics.num_samples == 200
    assert metrics.top1 == pytest.approx((predicted == labels).mean())
    assert metrics.top5 == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5))
    assert metrics.loss == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    assert metrics.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert metrics.per_class == pytest.approx(recall_score(labels, predicted, average=None))
    assert np.array_equal(np.array(metrics.confusion), confusion_matrix(labels, predicted))


def test_calibration_error_by_hand() -> None:
    # Ten images at confidence 0.8, six of them right; ten at 0.6, all right: (0.2 * 10 + 0.4 * 10) / 20.
    confidences = np.array([0.8] * 10 + [0.6] * 10)
    logits = torch.tensor(np.log(np.stack([confidences, 1 - confidences], 1)), dtype=torch.float32)
    labels = np.array([0] * 6 + [1] * 4 + [0] * 10)
    assert evaluated(logits, labels).ece == pytest.approx(0.3, abs=1e-5)


def test_five_classes_or_fewer_have_no_top_five_and_batches_do_not_matter() -> None:
    torch.manual_seed(0)
    labels = np.arange(50) % 2
    logits = torch.randn(50, 2)
    metrics = evaluated(logits, labels, batch_size=50)
    assert metrics.top5 is None and metrics.to_dict(["a", "b"])["top5"] is None
    assert evaluated(torch.randn(50, 5), np.arange(50) % 5).top5 is None
    assert evaluated(torch.randn(50, 6), np.arange(50) % 6).top5 < 1.0
    other = evaluated(logits, labels, batch_size=7)
    assert other.confusion == metrics.confusion
    assert other.loss == pytest.approx(metrics.loss)


def test_a_class_without_images_has_no_recall() -> None:
    logits = 9 * torch.eye(3)[torch.tensor([0, 0, 1])]
    metrics = evaluated(logits, np.array([0, 0, 1]))
    assert math.isnan(metrics.per_class[2])
    assert metrics.macro_f1 == 1.0
    assert metrics.to_dict(["a", "b", "c"])["per_class"] == {"a": 1.0, "b": 1.0, "c": None}
