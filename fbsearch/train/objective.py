"""What a training minimises: cross-entropy with the labels, or what else a batch can teach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from fbsearch.train.regularisation import MixedLabels

Forward = Callable[[Tensor], Any]
"""The learner as it trains: compiled, and shared between processes where there are several."""


@dataclass(frozen=True)
class TrainingBatch:
    """A batch as the network sees it.

    Args:
        images: ``B x C x H x W``, erased and mixed.
        labels: of them.
        epoch: from 0.
        step: of the epoch, from 0.
    """

    images: Tensor
    labels: MixedLabels
    epoch: int
    step: int


@dataclass(frozen=True)
class Loss:
    """What a batch costs.

    Args:
        total: to be minimised, a scalar.
        logits: ``B x classes``, of the network, in fp32.
        parts: what it is made of, scalars by the objective's names.
    """

    total: Tensor
    logits: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(Protocol):
    """What is minimised, and the module that learns by it.

    Args:
        learner: the network, alone or with what learns beside it; never seen after the training.
        parts: names of the metrics that tell what the loss is made of.
    """

    learner: nn.Module
    parts: tuple[str, ...]

    def loss(self, forward: Forward, batch: TrainingBatch) -> Loss:
        """The loss of a batch; ``forward`` is the learner."""
        ...

    def view(self, epoch: int) -> int:
        """The epoch whose batches are shown in ``epoch``: itself, or an earlier one again."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What learns beside the network, by names that no other part of a checkpoint has."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, from among the checkpoint's other parts."""
        ...


class CrossEntropy:
    """The cross-entropy with the labels.

    Args:
        network: that learns.
        label_smoothing: share of a label that goes to all classes alike.
    """

    parts: tuple[str, ...] = ()

    def __init__(self, network: nn.Module, label_smoothing: float) -> None:
        self.learner = network
        self._label_smoothing = label_smoothing

    def loss(self, forward: Forward, batch: TrainingBatch) -> Loss:
        """As :meth:`Objective.loss`."""
        logits = forward(batch.images).float()
        return Loss(batch.labels.loss(logits, label_smoothing=self._label_smoothing), logits)

    def view(self, epoch: int) -> int:
        """Every epoch has batches of its own."""
        return epoch

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""
