"""The measurement protocol's settings; :mod:`fbsearch.devices.measuring` carries it out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fbsearch.devices.measurement import min_rounds_for

Pace = Literal["undisturbed", "usual"]


class MeasurementProtocol(BaseModel):
    """How models are measured (docs/measuring.md).

    Every pass visits all unfinished models once, in a fresh random order. A visit is one *round*: a few
    untimed invocations, then timed ones. Before the first model, and after every ``sentinel_period``
    models, a *sentinel* model is timed; the rounds between two readings are a *window*. A window with
    a reading more than ``drift_tolerance`` off the sentinel's baseline is discarded, and its models
    are visited again in a later pass; the next window waits until the sentinel is back at its pace.
    A model is finished when the confidence interval of its latency is narrow enough, or its rounds are
    used up.

    Args:
        warmup_ms: time for which a model runs untimed before its first round.
        warmup_invocations: fewest invocations of that warm-up.
        settle_invocations: untimed invocations before every round, which bring the model back into
            the caches.
        round_ms: duration aimed at for a round's timed invocations.
        min_invocations: fewest timed invocations of a round.
        max_invocations: most of them: all are kept, so this bounds the size of a table.
        min_rounds: fewest rounds of a model.
        max_rounds: most rounds of a model, discarded ones not counted.
        confidence: of the interval.
        target_relative_ci: half the interval's width, as a share of the latency, that ends a model.
        sentinel_period: models between two readings of the sentinel.
        sentinel_ms: duration aimed at for one reading.
        initial_sentinel_readings: readings before the first model, for the first baseline.
        pace: which of the machine's paces is the baseline: "undisturbed", the fastest that it reaches now and
            then, or "usual", the one that it keeps most of the time. The second is for machines that others
            share, which are hardly ever undisturbed; a reading may then lie below the baseline no further
            than above it, and a table's pace is the one that later measurements keep to.
        drift_tolerance: how far, as a share, a reading may lie off the baseline.
        max_discarded_rounds: how many discarded rounds of a model are repeated; after that its steadiest
            rounds are used, with a warning.
        cooldown_s: pause between two readings while waiting for the sentinel's pace.
        patience_s: longest time spent waiting, all waits of a run together.
        max_repeatability: of the whole networks of a calibration, the largest mean difference between their
            odd and even rounds, as a share; one that repeats worse is refused.
        max_error_ratio: of a calibration, the largest mean error of networks predicted from the others, as
            a multiple of that of plain sums; errors of at most 5 % are good whatever the sums'.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    warmup_ms: Annotated[float, Field(ge=0, le=60_000)] = 15.0
    warmup_invocations: Annotated[int, Field(ge=1, le=10_000)] = 3
    settle_invocations: Annotated[int, Field(ge=0, le=10_000)] = 2
    round_ms: Annotated[float, Field(gt=0, le=60_000)] = 8.0
    min_invocations: Annotated[int, Field(ge=1, le=10_000)] = 3
    max_invocations: Annotated[int, Field(ge=1, le=10_000)] = 40
    min_rounds: Annotated[int, Field(ge=1, le=1_000)] = 8
    max_rounds: Annotated[int, Field(ge=1, le=1_000)] = 24
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    target_relative_ci: Annotated[float, Field(gt=0, lt=1)] = 0.02
    sentinel_period: Annotated[int, Field(ge=1, le=1_000)] = 2
    sentinel_ms: Annotated[float, Field(gt=0, le=60_000)] = 3.0
    initial_sentinel_readings: Annotated[int, Field(ge=1, le=100)] = 10
    pace: Pace = "undisturbed"
    drift_tolerance: Annotated[float, Field(gt=0, le=10)] = 0.06
    max_discarded_rounds: Annotated[int, Field(ge=0, le=1_000)] = 40
    cooldown_s: Annotated[float, Field(ge=0, le=3_600)] = 0.02
    patience_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    max_repeatability: Annotated[float, Field(gt=0, le=1_000)] = 0.15
    max_error_ratio: Annotated[float, Field(gt=0, le=1_000)] = 1.0

    @model_validator(mode="after")
    def _bounds_in_order(self) -> MeasurementProtocol:
        if self.min_rounds > self.max_rounds:
            raise ValueError(f"min_rounds {self.min_rounds} is above max_rounds {self.max_rounds}")
        if self.min_invocations > self.max_invocations:
            raise ValueError(
                f"min_invocations {self.min_invocations} is above max_invocations {self.max_invocations}"
            )
        needed = min_rounds_for(self.confidence)
        if self.min_rounds < needed:
            raise ValueError(
                f"min_rounds {self.min_rounds} cannot give a confidence of {self.confidence:g}: "
                f"that takes at least {needed}; raise min_rounds or lower confidence"
            )
        return self

    @property
    def max_attempts(self) -> int:
        """Most rounds of a model, discarded ones included."""
        return self.max_rounds + self.max_discarded_rounds

    def invocations(self, estimate_us: float) -> int:
        """Timed invocations of one round of a model that takes about ``estimate_us``."""
        return self._invocations(self.round_ms, estimate_us)

    def sentinel_invocations(self, estimate_us: float) -> int:
        """Timed invocations of one reading of a sentinel that takes about ``estimate_us``."""
        return self._invocations(self.sentinel_ms, estimate_us)

    def _invocations(self, duration_ms: float, estimate_us: float) -> int:
        wanted = round(duration_ms * 1000 / max(estimate_us, 1e-3))
        return min(max(wanted, self.min_invocations), self.max_invocations)


PHONE_PROTOCOL = MeasurementProtocol(
    warmup_ms=0,
    warmup_invocations=5,
    settle_invocations=0,
    round_ms=200,
    min_invocations=10,
    max_invocations=2_000,
    min_rounds=6,
    max_rounds=12,
    sentinel_period=6,
    sentinel_ms=100,
    initial_sentinel_readings=3,
    drift_tolerance=0.05,
    max_discarded_rounds=18,
    cooldown_s=5,
    patience_s=900,
)
"""The protocol where a round is one launch of a benchmark binary, which warms up by itself.

The defaults suit a phone: launches are dear, a cool-down takes seconds, the sentinel guards six of them.
"""
