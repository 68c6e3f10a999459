"""The settings of a differentiable search, with FBNet's published schedule as a preset."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from fbsearch.nn import SamplingMode
from fbsearch.search.method_settings import MethodSettings, NonNegative, Positive, SettingsPart

Penalty = Literal["num_params", "num_macs", "memory_access"]


class TemperatureSchedule(SettingsPart):
    """tau per epoch, from ``initial`` in the first to ``final`` in the last.

    ``exponential`` is FBNet's tau = 5 exp(-0.045 epoch), written by its ends so that shorter searches
    anneal as far; ``linear`` is SNAS'.
    """

    kind: Literal["exponential", "linear"] = "exponential"
    initial: Positive = 5.0
    final: Positive = 5.0 * math.exp(-0.045 * 89)

    def at(self, epoch: int, num_epochs: int) -> float:
        """The temperature of an epoch, counted from 0."""
        progress = epoch / max(1, num_epochs - 1)
        if self.kind == "linear":
            return self.initial + (self.final - self.initial) * progress
        return float(self.initial * (self.final / self.initial) ** progress)


class DnasSettings(MethodSettings):
    """How a supernet is searched. The defaults are FBNet's published schedule, but for the objective.

    Args:
        objective: ``budget`` drives the expected latency to the budget; ``fbnet`` is the paper's loss.
        alpha: of FBNet's loss.
        beta: of FBNet's loss.
        penalties: SNAS' resource terms eta_r * E[C_r], with C_r in millions: ``num_params``,
            ``num_macs``, ``memory_access``.
        zen_weight: lambda of the term -lambda E[Zen], with Zen-Score in shares of its range in the space.
        zen_repeats: how often the candidates' scores are measured, on random weights; the mean counts.
        mode: ``soft`` (FBNet), ``hard`` (straight-through) or ``sampled`` (one candidate per layer computes).
        architecture_mode: of theta's steps; None for ``mode``. ``hard`` beside ``sampled`` weights lets all
            candidates of a layer compete for theta in what is a single path all the same: a few times the
            memory and time in theta's share of the steps.
        epochs: passes over the weights' share of the training set.
        warmup_epochs: epochs at the start in which theta is frozen.
        architecture_fraction: share of the training set that trains theta.
        batch_size: images per step, over all processes.
        learning_rate: of the weights: SGD, cosine to 0.
        momentum: of the weights.
        weight_decay: of the weights.
        clip_norm: largest gradient norm of the weights; 0 for no clipping.
        architecture_learning_rate: of theta: Adam.
        architecture_weight_decay: of theta.
        temperature: tau over the epochs.
        budget_use: least share of the budget that a finalist uses, where the space holds such; 0 for any.
        calibration_batches: batches that a finalist's norms are recalibrated with.
        compile: run the supernet through ``torch.compile``.
    """

    method: Literal["dnas"] = "dnas"
    objective: Literal["budget", "fbnet"] = "budget"
    alpha: Positive = 0.2
    beta: NonNegative = 0.6
    penalties: dict[Penalty, NonNegative] = Field(default_factory=dict)
    zen_weight: NonNegative = 0.0
    zen_repeats: Annotated[int, Field(ge=1)] = 4
    mode: SamplingMode = "soft"
    architecture_mode: SamplingMode | None = None
    epochs: Annotated[int, Field(ge=1)] = 90
    warmup_epochs: Annotated[int, Field(ge=0)] = 10
    architecture_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    batch_size: Annotated[int, Field(ge=2)] = 192
    learning_rate: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegative = 1e-4
    clip_norm: NonNegative = 0.0
    architecture_learning_rate: Positive = 0.01
    architecture_weight_decay: NonNegative = 5e-4
    temperature: TemperatureSchedule = TemperatureSchedule()
    budget_use: Annotated[float, Field(ge=0, lt=1)] = 0.9
    calibration_batches: Annotated[int, Field(ge=1)] = 8
    compile: bool = False

    @property
    def effort(self) -> str:
        """How much is done."""
        return f"{self.epochs} epochs"
