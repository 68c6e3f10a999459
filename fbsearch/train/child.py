"""Training one network: a child of a search, or any architecture."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from fbsearch.data import Augmentation, DataSplits
from fbsearch.errors import TrainingError
from fbsearch.nn import Network
from fbsearch.train.acceleration import seeded
from fbsearch.train.averaging import WeightAverage
from fbsearch.train.loaders import evaluation_loader, training_loader
from fbsearch.train.loop import Report
from fbsearch.train.metrics import evaluate
from fbsearch.train.objective import CrossEntropy, Objective, TrainingBatch
from fbsearch.train.optimizer import make_optimizer
from fbsearch.train.regularisation import erase, mixup
from fbsearch.train.schedule import cosine_rate
from fbsearch.train.settings import TrainSettings

_CHECK_EVERY = 20  # steps between looks at the loss: on a GPU each look waits for the device


class ChildTask:
    """The training of one network as a :class:`~fbsearch.train.loop.Task`."""

    def __init__(
        self,
        network: Network,
        data: DataSplits,
        settings: TrainSettings,
        *,
        augmentation: Augmentation | None,
        seed: int,
        accelerator: Accelerator,
        objective: Objective | None = None,
    ) -> None:
        self.num_epochs = settings.epochs
        self.settings = settings
        self.accelerator = accelerator
        self.data = data
        self.seed = seed
        self.seconds = 0.0
        self.network = network
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        network.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
        _set_drop_rates(network, settings)
        self.average = WeightAverage(network, settings.ema_decay) if settings.ema_decay else None
        self.objective = objective or CrossEntropy(network, settings.label_smoothing)
        self.train_loader = training_loader(
            data, settings, augmentation=augmentation, seed=seed, accelerator=accelerator
        )
        self.val_loader = evaluation_loader(data.val, data, settings, accelerator=accelerator)
        learner = self.objective.learner
        self.model, self.optimizer = accelerator.prepare(learner, make_optimizer(learner, settings))
        self.forward = torch.compile(self.model) if settings.compile else self.model

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Train for one epoch and validate."""
        start = time.perf_counter()
        with seeded(self.seed, epoch, self.accelerator.process_index) as generator:
            trained = self._train_epoch(epoch, report, generator)
        self._share_buffers()
        val = evaluate(self.evaluated, self.val_loader, accelerator=self.accelerator)
        self.seconds += time.perf_counter() - start
        return {
            **trained,
            "val_loss": val.loss,
            "val_accuracy": val.top1,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser, average and gradient scale."""
        scaler = self.accelerator.scaler
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "seconds": self.seconds,
            **self.objective.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.objective.load_state_dict(state)
        if self.average:
            self.average.load_state_dict(state["average"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.seconds = state["seconds"]

    def finish(self) -> None:
        """Leave the final weights in the network, in evaluation mode, without accelerate's wrapping."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        # Mixed precision puts a wrapped one on the instance.
        self.objective.learner.__dict__.pop("forward", None)
        self.network.load_state_dict(self.evaluated.state_dict())
        self.network.eval()

    @property
    def evaluated(self) -> nn.Module:
        """The network whose weights count: the average if there is one."""
        return self.average.network if self.average else self.network

    def _train_epoch(self, epoch: int, report: Report, generator: torch.Generator) -> dict[str, float]:
        """Mean loss, its parts and accuracy over the epoch and all processes."""
        self.model.train()
        num_batches = len(self.train_loader)
        names = ("train_loss", "train_accuracy", *self.objective.parts)
        sums = torch.zeros(1 + len(names), device=self.accelerator.device)  # images first
        batches = self.train_loader.epoch(self.objective.view(epoch))
        for index, (images, labels) in enumerate(batches):
            self._set_learning_rate(epoch * num_batches + index, num_batches)
            sums += self._step(self._varied(images, labels, epoch, index, generator))
            if index % _CHECK_EVERY == 0 or index == num_batches - 1:
                self._check_loss(float(sums[1]), epoch)
            report(index + 1, num_batches)
        count, *totals = self.accelerator.reduce(sums, reduction="sum").tolist()
        return {name: total / count for name, total in zip(names, totals, strict=True)}

    def _varied(
        self, images: Tensor, labels: Tensor, epoch: int, step: int, generator: torch.Generator
    ) -> TrainingBatch:
        """A batch on the training device, erased and mixed."""
        settings, device = self.settings, self.accelerator.device
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        images = erase(images, probability=settings.random_erasing, generator=generator)
        images, mixed = mixup(images, labels, alpha=settings.mixup_alpha, generator=generator)
        return TrainingBatch(images, mixed, epoch, step)

    def _step(self, batch: TrainingBatch) -> Tensor:
        """Learn from a batch: number of images, and sums over them of the loss, correct ones and parts."""
        loss = self.objective.loss(self.forward, batch)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss.total)
        if self.settings.clip_norm:
            learnt = self.objective.learner.parameters()
            self.accelerator.clip_grad_norm_(learnt, self.settings.clip_norm)
        self.optimizer.step()
        if self.average:
            self.average.update(self.network)
        count = torch.full_like(loss.total, len(batch.images))
        correct = batch.labels.num_correct(loss.logits.detach()).float()
        parts = [loss.parts[name].detach() * count for name in self.objective.parts]
        return torch.stack([count, loss.total.detach() * count, correct, *parts])

    def _set_learning_rate(self, step: int, steps_per_epoch: int) -> None:
        factor = cosine_rate(
            step,
            num_steps=self.num_epochs * steps_per_epoch,
            num_warmup_steps=round(self.settings.warmup_epochs * steps_per_epoch),
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * factor

    def _check_loss(self, loss: float, epoch: int) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {epoch + 1}: lower learning_rate "
                f"({self.settings.learning_rate}), set clip_norm (such as 1), or train in fp32"
            )

    def _share_buffers(self) -> None:
        """Give every process the main one's norm statistics, which each gathered from its own images."""
        if self.accelerator.num_processes > 1:
            average = [self.average.network] if self.average else []
            for network in (self.network, *average):  # in the same order in every process
                for buffer in network.buffers():
                    buffer.copy_(broadcast(buffer))


def _set_drop_rates(network: Network, settings: TrainSettings) -> None:
    network.set_drop_path(settings.drop_path)
    network.set_dropout(settings.dropout)
