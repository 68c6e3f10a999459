"""How good a classifier is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from fbsearch.data import Loader

NUM_BINS = 15
NUM_TOP = 5


@dataclass(frozen=True)
class Metrics:
    """Metrics of a classifier on a set of images; K classes.

    Args:
        loss: mean cross-entropy, without label smoothing.
        top1: share of images whose class has the highest score.
        top5: share of images whose class is among the five highest scores; None for five classes or fewer,
            where it always is.
        macro_f1: mean over classes of F1, over the classes that occur or are predicted.
        ece: expected calibration error, 15 bins of equal width (Guo et al., 2017, eq. 3).
        per_class: K recalls; NaN for a class without images.
        confusion: ``K x K`` counts, true class by row, predicted class by column.
        num_samples: number of images.
    """

    loss: float
    top1: float
    top5: float | None
    macro_f1: float
    ece: float
    per_class: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    num_samples: int

    def to_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The JSON form; a class without images has None."""
        recalls = (None if recall != recall else recall for recall in self.per_class)
        return {
            "top1": self.top1,
            "top5": self.top5,
            "loss": self.loss,
            "macro_f1": self.macro_f1,
            "ece": self.ece,
            "per_class": dict(zip(class_names, recalls, strict=True)),
            "confusion": [list(row) for row in self.confusion],
            "num_samples": self.num_samples,
        }


@torch.no_grad()
def evaluate(network: nn.Module, loader: Loader, *, accelerator: Accelerator | None = None) -> Metrics:
    """Run a network over a loader's images, in evaluation mode and fp32.

    With several processes each evaluates its share (the loader's ``share``) and all get
    the metrics of the whole, every image counted once.

    Args:
        network: ``B x C x H x W`` to ``B x K``; its mode is as before afterwards.
        loader: unshuffled, without augmentation.
        accelerator: with several processes, theirs.
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    sums: Tensor | None = None
    try:
        for images, labels in loader.epoch(0):
            logits = network(images.to(device)).float().cpu()
            counted = _count(logits, labels)
            sums = counted if sums is None else sums + counted
    finally:
        network.train(was_training)
    if accelerator is not None and accelerator.num_processes > 1:
        sums = _over_processes(sums, accelerator)
    assert sums is not None
    return summarise(sums)


def _count(logits: Tensor, labels: Tensor) -> Tensor:
    """What the metrics need of a batch, as one vector of sums: see :func:`summarise`."""
    num_classes = logits.shape[1]
    confidence, predicted = logits.softmax(1).max(1)
    confusion = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2).double()
    correct = (predicted == labels).double()
    bins = (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    calibration = torch.zeros(NUM_BINS, dtype=torch.double)
    calibration.index_add_(0, bins, confidence.double() - correct)
    top5 = (logits.topk(min(NUM_TOP, num_classes), 1).indices == labels[:, None]).sum().double()
    loss = functional.cross_entropy(logits.double(), labels, reduction="sum")
    return torch.cat([confusion, calibration, torch.stack([top5, loss])])


def summarise(sums: Tensor) -> Metrics:
    """Metrics of ``K*K`` confusion counts, 15 calibration gaps, the top-5 count and the loss."""
    num_classes = round((len(sums) - NUM_BINS - 2) ** 0.5)
    confusion = sums[: num_classes**2].view(num_classes, num_classes)
    top5, loss = sums[-2:].tolist()
    count, correct = confusion.sum(), confusion.diagonal()
    support, predicted = confusion.sum(1), confusion.sum(0)
    present = (support + predicted) > 0
    f1 = 2 * correct[present] / (support + predicted)[present]
    # |confidence - accuracy| of a bin, weighted by its share of the images: the counts cancel.
    ece = sums[num_classes**2 : -2].abs().sum() / count
    return Metrics(
        loss=loss / float(count),
        top1=float(correct.sum() / count),
        top5=top5 / float(count) if num_classes > NUM_TOP else None,
        macro_f1=float(f1.mean()),
        ece=float(ece),
        per_class=tuple((correct / support).tolist()),
        confusion=tuple(tuple(map(int, row)) for row in confusion.tolist()),
        num_samples=int(count),
    )


def _over_processes(sums: Tensor | None, accelerator: Accelerator) -> Tensor:
    """The sum over processes; one that had no image does not even know the number of classes."""
    length = torch.tensor([0 if sums is None else len(sums)], device=accelerator.device)
    size = int(accelerator.gather(length).max())
    mine = torch.zeros(size, dtype=torch.double) if sums is None else sums
    total: Tensor = accelerator.reduce(mine.to(accelerator.device), reduction="sum")
    return total.cpu()
