"""``search/result.json``: the distribution, the finalists on every target, and the one that was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, FiniteFloat, model_validator

from fbsearch.devices.description import DeviceDescription, RuntimeDescription
from fbsearch.latency.estimation.validation import EstimateErrors
from fbsearch.records.record import Count, FileRecord, Positive, Record, Share

VERSION = 2

_OTHER_LATENCY = "latency_us on "
"""What a budget's name began with, in files of version 1, that was another device's latency."""


class EstimationRecord(Record):
    """How well operators that a table lacks are estimated, by cross-validation on those that it holds.

    Args:
        num_operators: measured ones, that others are estimated from.
        median_error: of the absolute errors, shares of the measured latencies.
        mean_error: likewise.
        nine_in_ten_error: what nine of ten do not exceed.
    """

    num_operators: Count
    median_error: Positive
    mean_error: Positive
    nine_in_ten_error: Positive

    @property
    def summary(self) -> str:
        """For people."""
        return EstimateErrors(
            self.num_operators, self.median_error, self.mean_error, self.nine_in_ten_error
        ).summary


class TargetRecord(Record):
    """A device that the architecture was found for.

    Args:
        name: of the device, with runtime, threads and precision; empty where an older file does not tell.
        budget_us: on the latency there.
        range_us: the least and greatest latency in the space, as predicted.
        latencies_us: of each slot's candidates, as the search counted; empty where an older file lacks them.
        estimation: how well missing operators are estimated at the end; None where the table holds all.
    """

    name: str
    budget_us: Positive | None = None
    range_us: tuple[FiniteFloat, FiniteFloat] | None = None
    latencies_us: tuple[tuple[FiniteFloat, ...], ...] = ()
    estimation: EstimationRecord | None = None


def target_name(device: DeviceDescription, runtime: RuntimeDescription) -> str:
    """What a target is called: the device with runtime, threads and precision."""
    return f"{device.name} ({runtime.identity})"


class BudgetRecord(Record):
    """A budget beside the latencies'; range holds the least and the greatest of the space."""

    cost: str
    bound: FiniteFloat
    range: tuple[FiniteFloat, FiniteFloat] | None = None


class SlotRecord(Record):
    """One decision of the search: its candidates and their final probabilities."""

    names: tuple[str, ...]
    probabilities: tuple[Share, ...]

    @model_validator(mode="after")
    def _same_lengths(self) -> SlotRecord:
        if len(self.names) != len(self.probabilities):
            raise ValueError("names and probabilities differ in length")
        return self


class LatencyRecord(Record):
    """What a finalist takes on a target.

    Args:
        target: its name.
        predicted_us: from its operators.
        measured_us: as a whole network, where that was done.
        estimated_share: of the operators' sum; 0 where all are measured, None where a table holds the space.
        estimated_error: what the prediction may be off by through it, a share (a standard deviation).
    """

    target: str
    predicted_us: FiniteFloat
    measured_us: Positive | None = None
    estimated_share: Share | None = None
    estimated_error: Positive | None = None

    @property
    def best_us(self) -> float:
        """As measured, or else as predicted."""
        return self.predicted_us if self.measured_us is None else self.measured_us


class FinalistRecord(Record):
    """One architecture of the final ranking.

    Args:
        choices: code of the architecture in its space; where decisions are independent, a candidate of each.
        names: of the candidates.
        latencies: on each target, in the targets' order.
        val_accuracy: with the supernet's weights, norms recalibrated; None where nothing was trained.
        log_probability: sum over slots of log P.
        source: how it was found.
        costs: what it takes of every budget beside the latencies'.
        score: that the search went by instead of accuracies.
    """

    choices: tuple[Count, ...]
    names: tuple[str, ...] = ()
    latencies: tuple[LatencyRecord, ...]
    val_accuracy: Share | None = None
    log_probability: FiniteFloat | None = None
    source: str = ""
    costs: Mapping[str, FiniteFloat] = Field(default_factory=dict)
    score: FiniteFloat | None = None


class ScoredRecord(Record):
    """A structure of a search by scores.

    Args:
        choices: its code.
        scores: by proxy.
        costs: by budget; a latency's in microseconds.
        is_dominated: whether another one of the population beats it.
    """

    choices: tuple[Count, ...]
    scores: Mapping[str, FiniteFloat]
    costs: Mapping[str, FiniteFloat] = Field(default_factory=dict)
    is_dominated: bool = True


class SearchRecord(FileRecord):
    """The file.

    Args:
        version: of the format.
        space: its name.
        method: that searched.
        targets: devices with their budgets, in the recipe's order; none where only counts were bounded.
        budgets: those beside the latencies'.
        slots: the decisions with their final probabilities; none where the method has no distribution.
        finalists: as they were ranked.
        chosen: index of the finalist to train.
        collapse: a warning where the search gave up on most layers, or None.
        undecided: a warning where its probabilities stayed as even as they began, or None.
        rough_zen: a warning where the loss had a Zen term in a space that is no chain, or None.
        seconds: wall time of the try that ended it.
        notice: what is to be said of the method wherever its result is shown.
        scored: the last population of a search by scores.
    """

    made_by: ClassVar[str] = "fbsearch search"

    version: int = VERSION
    space: str = ""
    method: str = "dnas"
    targets: tuple[TargetRecord, ...]
    budgets: tuple[BudgetRecord, ...] = ()
    slots: tuple[SlotRecord, ...] = ()
    finalists: Annotated[tuple[FinalistRecord, ...], Field(min_length=1)]
    chosen: Count
    collapse: str | None = None
    undecided: str | None = None
    rough_zen: str | None = None
    seconds: Positive | None = None
    notice: str | None = None
    scored: tuple[ScoredRecord, ...] = ()

    @property
    def winner(self) -> FinalistRecord:
        """The finalist that went on to training."""
        return self.finalists[self.chosen]

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "targets" in data:
            return data
        try:
            return _upgraded(data)
        except (AttributeError, KeyError, TypeError):
            return data  # whatever is wrong, the fields' own checks name it

    @model_validator(mode="after")
    def _fits_together(self) -> SearchRecord:
        if self.chosen >= len(self.finalists):
            raise ValueError(f"chosen is {self.chosen}, but there are {len(self.finalists)} finalists")
        for finalist in self.finalists:
            if self.slots:
                _check_choices(finalist.choices, self.slots)
            _check_targets(finalist.latencies, self.targets)
        sizes = [len(slot.names) for slot in self.slots]
        for target in self.targets:
            if target.latencies_us and [len(row) for row in target.latencies_us] != sizes:
                raise ValueError(f"target {target.name!r} has latencies of other candidates than the slots'")
        return self


def _check_choices(choices: Sequence[int], slots: Sequence[SlotRecord]) -> None:
    if len(choices) != len(slots):
        raise ValueError(f"a finalist has {len(choices)} choices for {len(slots)} slots")
    for slot, choice in zip(slots, choices, strict=True):
        if choice >= len(slot.names):
            raise ValueError(f"choice {choice} in a slot of {len(slot.names)} candidates")


def _check_targets(latencies: Sequence[LatencyRecord], targets: Sequence[TargetRecord]) -> None:
    given, expected = [one.target for one in latencies], [target.name for target in targets]
    if given != expected:
        raise ValueError(f"a finalist has latencies of {given}, and the targets are {expected}")


def _upgraded(data: Mapping[str, Any]) -> dict[str, Any]:
    """A file of version 1, in which the first device had the fields and all others were named budgets."""
    others = {one["cost"]: one for one in data.get("budgets", ()) if one["cost"].startswith(_OTHER_LATENCY)}
    own = {
        "name": "",
        "budget_us": data.get("budget_us"),
        "range_us": data.get("range_us"),
        "latencies_us": [slot["latencies_us"] for slot in data["slots"]],
    }
    elsewhere = [
        {"name": _device(cost), "budget_us": one["bound"], "range_us": one.get("range")}
        for cost, one in others.items()
    ]
    return {
        **data,
        "targets": [own, *elsewhere],
        "budgets": [one for one in data.get("budgets", ()) if one["cost"] not in others],
        "finalists": [_upgraded_finalist(one, list(others)) for one in data["finalists"]],
    }


def _upgraded_finalist(data: Mapping[str, Any], others: Sequence[str]) -> dict[str, Any]:
    costs, measured = data.get("costs", {}), data.get("measured_elsewhere_us", {})
    own = {"target": "", "predicted_us": data["predicted_us"], "measured_us": data.get("measured_us")}
    elsewhere = [
        {"target": _device(cost), "predicted_us": costs[cost], "measured_us": measured.get(cost)}
        for cost in others
    ]
    return {
        **data,
        "latencies": [own, *elsewhere],
        "costs": {cost: value for cost, value in costs.items() if cost not in others},
    }


def _device(cost: str) -> str:
    return cost.removeprefix(_OTHER_LATENCY)
