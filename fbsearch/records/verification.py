"""``verification.json``: an exported model on a device, against its network, budgets and prediction."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, FiniteFloat, computed_field, model_validator

from fbsearch.export import FineTuning
from fbsearch.precision import Precision
from fbsearch.records.agreement import AgreementBounds
from fbsearch.records.record import Count, FileRecord, Positive, Record, Share
from fbsearch.records.run import describe_machine

Source = Literal["counted", "read"]

_OTHER_LATENCY = "latency_us on "
"""What a budget's name began with, in older files, that was a device's latency: it has its own file."""

_OLDER_NAMES = {"fp32_test_accuracy": "torch_test_accuracy", "file_size_bytes": "size_bytes"}


def _as_text(value: Any) -> Any:
    return describe_machine(value) if isinstance(value, dict) else value


Text = Annotated[str, BeforeValidator(_as_text)]


class BudgetCheck(Record):
    """A budget on what can be counted.

    Args:
        cost: name of the quantity, with its unit.
        bound: the most allowed.
        value: what the model takes.
        source: how that is known.
        is_kept: whether the value is at most the bound.
    """

    cost: str
    bound: FiniteFloat
    value: FiniteFloat
    source: Source
    is_kept: bool


class Verification(FileRecord):
    """The file; what older versions did not write is None.

    Args:
        model: the file.
        target: the device's name in the search, where there was one.
        device: its processor or phone.
        runtime: that ran the model.
        runtime_version: of its package.
        threads: within one operator.
        precision: of the model.
        budget_ms: the budget, or None where there is none.
        predicted_ms: from the latency table, or None without one of the model's precision.
        measured_ms: median of the rounds' medians.
        measured_p95_ms: of all invocations.
        keeps_budget: whether measured is at most the budget, or None without one.
        is_converged: whether the measurement's confidence interval is as narrow as asked.
        is_steady: False where the device was slower throughout than when its table was measured, or busy.
        test_accuracy: of the model on the device.
        fp32_test_accuracy: of the trained network on the same images, in fp32: before any quantisation.
        top1_agreement: share of images on which the model and the network that it was made from, the
            fine-tuned one if there is one, choose the same class.
        max_abs_diff: largest difference between their logits.
        num_samples: test images compared.
        num_device_samples: of them, those computed on the device itself; the others by this computer's
            interpreter of the same format.
        device_max_abs_diff: largest difference between the device's logits and the network's, or None where
            the device computed none.
        asked_agreement: what the model was held to; None for the precision's own bounds.
        file_size_bytes: of the file.
        rounds_us: raw latencies.
        budgets: those beside the latency's, and whether the model keeps them.
        finetuning: what one at the export came to, or None.
    """

    made_by: ClassVar[str] = "fbsearch verify"

    model: str | None = None
    target: str | None = None
    device: Text | None = None
    runtime: Text | None = None
    runtime_version: str | None = None
    threads: int | None = None
    precision: Precision = "fp32"
    budget_ms: Positive | None = None
    predicted_ms: FiniteFloat | None = None
    measured_ms: Annotated[FiniteFloat, Field(gt=0)]
    measured_p95_ms: Positive | None = None
    keeps_budget: bool | None = None
    is_converged: bool | None = None
    is_steady: bool | None = None
    test_accuracy: Share | None = None
    fp32_test_accuracy: Share | None = None
    top1_agreement: Share | None = None
    max_abs_diff: Positive | None = None
    num_samples: int | None = None
    num_device_samples: int | None = None
    device_max_abs_diff: Positive | None = None
    asked_agreement: AgreementBounds | None = None
    file_size_bytes: Count | None = None
    rounds_us: tuple[tuple[Positive, ...], ...] = ()
    budgets: tuple[BudgetCheck, ...] = ()
    finetuning: FineTuning | None = None

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def torch_test_accuracy(self) -> float | None:
        """The accuracy in fp32 by its older name."""
        return self.fp32_test_accuracy

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size_bytes(self) -> int | None:
        """The file's size by its older name."""
        return self.file_size_bytes

    @property
    def where(self) -> str:
        """The device, and how it ran the model."""
        if self.target:
            return self.target
        return f"{self.device or 'the device'} ({self.how})"

    @property
    def how(self) -> str:
        """Runtime, threads and precision."""
        return ", ".join(filter(None, (self.runtime, _threads(self.threads), self.precision)))

    @property
    def is_kept(self) -> bool:
        """Whether the model keeps its latency budget on this device, where it has one, and all others."""
        return self.keeps_budget is not False and all(one.is_kept for one in self.budgets)

    @property
    def agrees(self) -> bool:
        """Whether the model passes for its network by what it is held to, as far as that is known."""
        bounds = self.asked_agreement or AgreementBounds.of(self.precision)
        differences = (self.max_abs_diff, self.device_max_abs_diff)
        is_close = all(bounds.allow_difference(one) for one in differences if one is not None)
        if self.top1_agreement is None:
            return is_close
        # Without their number, as many images as tell a share from the bound.
        return is_close and bounds.allow_classes(self.top1_agreement, self.num_samples or 10**6)

    @model_validator(mode="before")
    @classmethod
    def _from_older(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        older = {name: data[old] for name, old in _OLDER_NAMES.items() if name not in data and old in data}
        budgets = data.get("budgets", ())
        if isinstance(budgets, (list, tuple)):
            older["budgets"] = [one for one in budgets if not _is_of_other_device(one)]
        return {**data, **older}


def _threads(count: int | None) -> str | None:
    return None if count is None else f"{count} thread{'' if count == 1 else 's'}"


def _is_of_other_device(budget: Any) -> bool:
    return isinstance(budget, dict) and str(budget.get("cost")).startswith(_OTHER_LATENCY)
