"""The verdict: budget, prediction and measurement, and what the page says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fbsearch.records import Verification
from fbsearch.reports.formatting import format_ms, format_percent, ms_decimals

Status = Literal["kept", "over", "measured", "unmeasured"]

_HEADLINES: dict[Status, str] = {
    "kept": "Within budget",
    "over": "Over budget",
    "measured": "Measured, without a budget",
    "unmeasured": "Not measured on the device",
}


_WORST_FIRST: tuple[Status, ...] = ("over", "unmeasured", "measured", "kept")


@dataclass(frozen=True)
class Gauge:
    """Where the gauge's marks stand, as shares of its width.

    Args:
        device: where the model was measured; empty where there is but one.
        measured: end of the bar.
        p95: the measurement's 95th percentile.
        predicted: by the table.
        budget: the limit.
        label: the same in words, for those who cannot see it.
        values: what the marks stand for, by their names.
    """

    device: str
    measured: float
    p95: float | None
    predicted: float | None
    budget: float | None
    label: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """The top of the page."""

    status: Status
    headline: str
    sentences: tuple[str, ...]
    gauges: tuple[Gauge, ...]


def prediction_error(verification: Verification) -> float | None:
    """(predicted - measured) / measured: negative where the table's sum was too low."""
    if verification.predicted_ms is None:
        return None
    return verification.predicted_ms / verification.measured_ms - 1


def verdict_decimals(verification: Verification) -> int:
    """Decimals of milliseconds with which measured, predicted and budget can be told apart."""
    values_ms = (verification.measured_ms, verification.predicted_ms, verification.budget_ms)
    largest = max(value for value in values_ms if value is not None)
    return ms_decimals([1000 * largest])


def status_of(verification: Verification | None) -> Status:
    """Whether the budget is kept; a file that contradicts its own numbers counts as over budget."""
    if verification is None:
        return "unmeasured"
    if not verification.is_kept:
        return "over"
    if verification.budget_ms is None:
        return "measured"
    return "kept" if verification.measured_ms <= verification.budget_ms else "over"


def make_verdict(verifications: Sequence[Verification | None]) -> Verdict:
    """Headline, sentences and gauges of a run: its worst device's status counts.

    Args:
        verifications: on each device; None where there is none.
    """
    statuses = [status_of(verification) for verification in verifications]
    status = min(statuses, key=_WORST_FIRST.index)
    measured = [verification for verification in verifications if verification is not None]
    sentences = tuple(map(_sentence, measured))
    if status == "unmeasured":
        where = "the device" if len(verifications) == 1 else "every device"
        unproven = f"The exported model has not been measured on {where}, so the budget is unproven."
        sentences = (*sentences, unproven)
    is_alone = len(verifications) == 1
    gauges = tuple(make_gauge(one, device="" if is_alone else one.where) for one in measured)
    return Verdict(status, _HEADLINES[status], sentences, gauges)


def make_gauge(verification: Verification, *, device: str = "") -> Gauge:
    """Marks on a scale from 0 to a little beyond the largest of them.

    Args:
        verification: what to show.
        device: named beside the marks.
    """
    marks = {
        "measured": verification.measured_ms,
        "95th percentile": verification.measured_p95_ms,
        "predicted": verification.predicted_ms,
        "budget": verification.budget_ms,
    }
    known = {name: value for name, value in marks.items() if value is not None}
    full = 1.08 * max(known.values())
    place = {name: value / full for name, value in known.items()}
    decimals = verdict_decimals(verification)
    values = {name: format_ms(1000 * value, decimals=decimals) for name, value in known.items()}
    label = ", ".join(f"{name} {value}" for name, value in values.items())
    return Gauge(
        device=device,
        measured=place["measured"],
        p95=place.get("95th percentile"),
        predicted=place.get("predicted"),
        budget=place.get("budget"),
        label=f"{device}: {label}" if device else label,
        values=values,
    )


def _sentence(verification: Verification) -> str:
    decimals = verdict_decimals(verification)
    measured = format_ms(1000 * verification.measured_ms, decimals=decimals)
    text = f"The model takes {measured} on {verification.device or 'the device'}"
    if verification.budget_ms:
        share = format_percent(verification.measured_ms / verification.budget_ms)
        text += f", {share} of its {format_ms(1000 * verification.budget_ms, decimals=decimals)} budget"
    error = prediction_error(verification)
    if error is None:
        return text + "; there was no prediction to compare with."
    if round(100 * error) == 0:
        return text + "; the prediction was off by less than 1\u00a0%."
    return text + f"; the prediction was off by {format_percent(error, decimals=0, sign=True)}."
