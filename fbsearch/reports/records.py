"""What the stages of a run leave in its folder, as validated records."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

Positive = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


def _as_text(value: Any) -> Any:
    """A mapping's own name, a list as one line: what people read where a record allows either."""
    if not isinstance(value, dict):
        return value
    cores = f"{value['num_cores']} cores" if "num_cores" in value else None
    parts = (value.get("model") or value.get("name"), value.get("architecture"), cores, value.get("system"))
    return ", ".join(str(part) for part in parts if part)


def _as_command(value: Any) -> Any:
    return shlex.join(map(str, value)) if isinstance(value, list) else value


Text = Annotated[str, BeforeValidator(_as_text)]


class _Record(BaseModel):
    """Fields unknown to this version are left aside: a newer run stays readable."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class StageRecord(_Record):
    """How a stage went."""

    seconds: Positive | None = None
    error: str | None = None


class RunRecord(_Record):
    """``run.json``: where, when and how the run was made."""

    fbsearch: str | None = None
    python: str | None = None
    torch: str | None = None
    machine: Text | None = None
    command: Annotated[str | None, BeforeValidator(_as_command)] = None
    seed: int | None = None
    started: str | None = None
    stages: dict[str, StageRecord] = {}


class SlotRecord(_Record):
    """One searched layer: its candidates, their latencies and final probabilities."""

    names: tuple[str, ...]
    latencies_us: tuple[Positive, ...]
    probabilities: tuple[Share, ...]

    @model_validator(mode="after")
    def _same_lengths(self) -> SlotRecord:
        if not len(self.names) == len(self.latencies_us) == len(self.probabilities):
            raise ValueError("names, latencies_us and probabilities differ in length")
        return self


class FinalistRecord(_Record):
    """One architecture of the final ranking."""

    choices: tuple[Annotated[int, Field(ge=0)], ...]
    names: tuple[str, ...] = ()
    predicted_us: FiniteFloat
    val_accuracy: Share | None = None
    log_probability: FiniteFloat | None = None
    source: str = ""
    measured_us: Positive | None = None


class SearchResult(_Record):
    """``search/result.json``."""

    space: str = ""
    budget_us: Positive | None = None
    slots: tuple[SlotRecord, ...]
    range_us: tuple[FiniteFloat, FiniteFloat] | None = None
    finalists: Annotated[tuple[FinalistRecord, ...], Field(min_length=1)]
    chosen: Annotated[int, Field(ge=0)]
    collapse: str | None = None
    seconds: Positive | None = None

    @model_validator(mode="after")
    def _chosen_exists(self) -> SearchResult:
        if self.chosen >= len(self.finalists):
            raise ValueError(f"chosen is {self.chosen}, but there are {len(self.finalists)} finalists")
        for finalist in self.finalists:
            if len(finalist.choices) != len(self.slots):
                raise ValueError(
                    f"a finalist has {len(finalist.choices)} choices for {len(self.slots)} slots"
                )
            for slot, choice in zip(self.slots, finalist.choices, strict=True):
                if choice >= len(slot.names):
                    raise ValueError(f"choice {choice} in a slot of {len(slot.names)} candidates")
        return self

    @property
    def winner(self) -> FinalistRecord:
        """The finalist that went on to training."""
        return self.finalists[self.chosen]


class TestMetrics(_Record):
    """What the trained network does on the test images."""

    __test__ = False  # the name means the metrics, not a test class

    top1: Share
    top5: Share | None = None
    loss: Positive | None = None
    macro_f1: Share | None = None
    ece: Share | None = None
    per_class: dict[str, Share | None] = {}
    confusion: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] | None = None
    num_samples: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _square(self) -> TestMetrics:
        if self.confusion is not None and any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("confusion must be a square matrix")
        return self


class TrainResult(_Record):
    """``train/result.json``."""

    test: TestMetrics
    num_params: Annotated[int, Field(ge=0)] | None = None
    num_macs: Annotated[int, Field(ge=0)] | None = None
    seconds: Positive | None = None


class BudgetRecord(_Record):
    """A budget beside the latency's."""

    cost: str
    bound: FiniteFloat
    value: FiniteFloat
    source: str = ""
    is_kept: bool


class FineTuningRecord(_Record):
    """A fine-tuning of the exported model; accuracies on validation images."""

    epochs: Annotated[int, Field(ge=1)]
    fp32_accuracy: Share
    before: Share
    after: Share
    is_kept: bool


class Verification(_Record):
    """``verification.json``: the exported model on the device."""

    model: str | None = None
    device: Text | None = None
    runtime: Text | None = None
    runtime_version: str | None = None
    threads: int | None = None
    precision: str | None = None
    budget_ms: Positive | None = None
    predicted_ms: FiniteFloat | None = None
    measured_ms: Annotated[FiniteFloat, Field(gt=0)]
    measured_p95_ms: Positive | None = None
    keeps_budget: bool | None = None
    test_accuracy: Share | None = None
    torch_test_accuracy: Share | None = None
    top1_agreement: Share | None = None
    max_abs_diff: Positive | None = None
    num_samples: int | None = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    num_device_samples: int | None = None
    device_max_abs_diff: Positive | None = None
    is_converged: bool | None = None
    is_steady: bool | None = None
    rounds_us: tuple[tuple[Positive, ...], ...] = ()
    budgets: tuple[BudgetRecord, ...] = ()
    finetuning: FineTuningRecord | None = None
