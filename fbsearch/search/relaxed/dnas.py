"""Differentiable neural architecture search over a layer-wise space (FBNet, Wu et al., 2019).

Weights and theta are trained in turn, each on its own share of the training set; theta learns through relaxed
samples of the architecture distribution, from a loss that couples cross-entropy and latency.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from fbsearch.costs import TabulatedCost
from fbsearch.data import Loader
from fbsearch.errors import TrainingError
from fbsearch.nn import ArchitectureDistribution, ArchitectureSample, SamplingMode, Supernet, channels_last
from fbsearch.search.relaxed.objective import Objective
from fbsearch.search.relaxed.settings import DnasSettings
from fbsearch.search.relaxed.tilt import Expectation
from fbsearch.spaces import FactoredSpace
from fbsearch.train import Report, cosine_rate, seeded


class DnasTask:
    """The epochs of a search, for :func:`fbsearch.train.run_epochs`.

    Args:
        space: what may be chosen.
        watched: costs whose expectations are told, by names of metrics.
        charge: what the objective charges, of ``S x C`` weights: the budget that is used most.
        terms: what theta's loss holds beside the objective, of ``S x C`` weights.
        objective: cross-entropy and latency in one loss.
        settings: the schedule.
        weight_loader: batches that train the weights.
        architecture_loader: batches that train theta.
        seed: of initialisation and sampling.
        accelerator: device, precision, processes.
    """

    def __init__(
        self,
        space: FactoredSpace,
        *,
        watched: Mapping[str, TabulatedCost],
        charge: Expectation,
        terms: Sequence[Expectation],
        objective: Objective,
        settings: DnasSettings,
        weight_loader: Loader,
        architecture_loader: Loader,
        seed: int,
        accelerator: Accelerator,
    ) -> None:
        self.num_epochs = settings.epochs
        self.space = space
        self.settings = settings
        self.objective = objective
        self._watched = watched
        self._charge = charge
        self._terms = terms
        self._weight_loader = weight_loader
        self._architecture_loader = architecture_loader
        self._seed = seed
        self._accelerator = accelerator
        with seeded(seed):
            self.supernet = channels_last(Supernet(space), accelerator.device)
        self.distribution = ArchitectureDistribution.of(space).to(accelerator.device)
        self._weights_optimizer = torch.optim.SGD(
            self.supernet.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self._architecture_optimizer = torch.optim.Adam(
            self.distribution.parameters(),
            lr=settings.architecture_learning_rate,
            weight_decay=settings.architecture_weight_decay,
        )
        self._parallel = self._prepare(self.supernet)

    def run_epoch(self, epoch: int, report: Report) -> dict[str, float]:
        """Train the weights, then, after the warm-up, theta.

        Raises:
            TrainingError: if the loss is no longer finite.
        """
        trains_architecture = epoch >= self.settings.warmup_epochs
        weight_steps = len(self._weight_loader)
        total = weight_steps + (len(self._architecture_loader) if trains_architecture else 0)
        self.supernet.train()
        with seeded(self._seed, epoch, self._accelerator.process_index) as generator:
            metrics = self._train_weights(epoch, generator, lambda done: report(done, total))
            if trains_architecture:
                metrics |= self._train_architecture(
                    epoch, generator, lambda done: report(weight_steps + done, total)
                )
        with torch.no_grad():
            probabilities = self.distribution.probabilities()
            expected = {name: float(cost.expectation(probabilities)) for name, cost in self._watched.items()}
            entropy = self.distribution.entropy()
        return {
            **metrics,
            **expected,
            "entropy": float(entropy),
            "temperature": self._temperature(epoch),
            **self.objective.metrics(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Weights, theta, both optimisers, the objective."""
        return {
            "supernet": self.supernet.state_dict(),
            "distribution": self.distribution.state_dict(),
            "weights_optimizer": self._weights_optimizer.state_dict(),
            "architecture_optimizer": self._architecture_optimizer.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.supernet.load_state_dict(state["supernet"])
        self.distribution.load_state_dict(state["distribution"])
        self._weights_optimizer.load_state_dict(state["weights_optimizer"])
        self._architecture_optimizer.load_state_dict(state["architecture_optimizer"])
        self.objective.load_state_dict(state["objective"])

    def _train_weights(
        self, epoch: int, generator: torch.Generator, advance: Callable[[int], None]
    ) -> dict[str, float]:
        totals = _Totals()
        steps = len(self._weight_loader)
        for step, (images, labels) in enumerate(self._batches(self._weight_loader, epoch)):
            self._set_learning_rate(epoch * steps + step, num_steps=self.num_epochs * steps)
            sample = self._sample(epoch, generator, self.settings.mode, detached=True)
            with self._accelerator.autocast():
                logits = self._parallel(images, sample.weights, sample.paths)
            cross_entropy = functional.cross_entropy(logits.float(), labels)
            loss = self.objective.weight_loss(cross_entropy, self._charge(sample.weights))
            self._step(self._weights_optimizer, loss)
            totals.add(logits, labels, cross_entropy)
            advance(step + 1)
        return totals.means("train", self._accelerator)

    def _train_architecture(
        self, epoch: int, generator: torch.Generator, advance: Callable[[int], None]
    ) -> dict[str, float]:
        totals = _Totals()
        with _frozen(self.supernet):
            for step, (images, labels) in enumerate(self._batches(self._architecture_loader, epoch)):
                mode = self.settings.architecture_mode or self.settings.mode
                sample = self._sample(epoch, generator, mode)
                with self._accelerator.autocast():
                    logits = self.supernet(images, sample.weights, sample.paths)
                cross_entropy = functional.cross_entropy(logits.float(), labels)
                loss = self.objective.architecture_loss(cross_entropy, self._charge(sample.weights))
                for term in self._terms:
                    loss = loss + term(sample.weights)
                self._step(self._architecture_optimizer, loss)
                self.objective.after_step(self.distribution, self._charge)
                totals.add(logits, labels, cross_entropy)
                advance(step + 1)
        return totals.means("val", self._accelerator)

    def _batches(self, loader: Loader, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        device = self._accelerator.device
        for images, labels in loader.epoch(epoch):
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    def _sample(
        self, epoch: int, generator: torch.Generator, mode: SamplingMode, *, detached: bool = False
    ) -> ArchitectureSample:
        temperature = self._temperature(epoch)
        sample = self.distribution.sample(temperature=temperature, mode=mode, generator=generator)
        return ArchitectureSample(sample.weights.detach(), sample.paths) if detached else sample

    def _temperature(self, epoch: int) -> float:
        return self.settings.temperature.at(epoch, self.num_epochs)

    def _set_learning_rate(self, step: int, *, num_steps: int) -> None:
        rate = self.settings.learning_rate * cosine_rate(step, num_steps=num_steps)
        for group in self._weights_optimizer.param_groups:
            group["lr"] = rate

    def _step(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                "the search's loss is no longer finite: lower search.learning_rate, set search.clip_norm, "
                "or use precision fp32"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if optimizer is self._architecture_optimizer:
            # theta runs beside the data-parallel wrapper, so its few numbers are averaged here.
            gradient = self.distribution.logits.grad
            assert gradient is not None
            self.distribution.logits.grad = self._accelerator.reduce(gradient, reduction="mean")
            self.objective.before_step(self.distribution, self._charge)
        elif self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.supernet.parameters(), self.settings.clip_norm)
        optimizer.step()

    def _prepare(self, supernet: Supernet) -> nn.Module:
        """The module that weight steps run: data-parallel and compiled where asked."""
        module: nn.Module = supernet
        if self._accelerator.num_processes > 1:
            module = DistributedDataParallel(module, find_unused_parameters=self.settings.mode == "sampled")
        if self.settings.compile:
            module = torch.compile(module)  # type: ignore[assignment]  # behaves as the module
        return module


class _Totals:
    """Sums of loss and correct answers over an epoch."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    def add(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        correct = (logits.detach().argmax(1) == labels).sum()
        count = len(labels)
        values = torch.stack(
            [loss.detach().double() * count, correct.double(), correct.new_tensor(count).double()]
        )
        self._sums = values if self._sums is None else self._sums + values

    def means(self, prefix: str, accelerator: Accelerator) -> dict[str, float]:
        assert self._sums is not None  # a loader without a batch is refused before the search
        loss, correct, count = accelerator.reduce(self._sums, reduction="sum").tolist()
        return {f"{prefix}_loss": loss / count, f"{prefix}_accuracy": correct / count}


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No gradients for the module's weights: theta's steps then cost a third less."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in module.parameters():
            parameter.requires_grad_(True)
