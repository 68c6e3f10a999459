"""The log of a measurement: what was timed, in order. Everything else is computed from it.

The log only grows. Which windows count as slow is decided afresh from all readings of the sentinel
whenever it is asked, so the verdict on an early window improves as more becomes known about the
machine, and a log read back after a kill leads to where the killed process was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fbsearch.devices.measurement import Measurement
from fbsearch.devices.protocol import MeasurementProtocol, Pace

_UNDISTURBED_QUANTILE = 0.05
_PACE_WIDTH = 0.1  # in logarithms: how far apart readings of one pace lie, most of them


@dataclass(frozen=True)
class SentinelReading:
    """One reading of the sentinel.

    Args:
        latency_us: the median of its invocations, in microseconds.
        at_s: seconds of measuring before it, interrupted runs included.
        is_start: first of a process: the window before it was cut short, and this reading, taken at
            another time, says nothing about that window's end.
        is_throttled: whether the device said that it was held back; the windows beside it are discarded.
    """

    latency_us: float
    at_s: float
    is_start: bool = False
    is_throttled: bool = False


@dataclass(frozen=True)
class ModelRound:
    """One round of a model: the raw latencies in microseconds."""

    name: str
    values_us: tuple[float, ...]


Event = SentinelReading | ModelRound


class MeasurementLog:
    """Events in order, and what follows from them.

    Args:
        events: of earlier, interrupted runs.
        on_append: called with every new event, before it counts; what it raises ends the measurement.
        reference_us: the sentinel's latency at the pace measured at, where an earlier measurement tells it.
    """

    def __init__(
        self,
        events: Iterable[Event] = (),
        *,
        on_append: Callable[[Event], None] | None = None,
        reference_us: float | None = None,
    ) -> None:
        self._reference_us = reference_us
        self._readings: list[SentinelReading] = []
        self._rounds: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
        self._excesses: dict[Pace, list[float]] = {}
        for event in events:
            self._add(event)
        self._on_append = on_append

    def append(self, event: Event) -> None:
        """Take ``event`` into the log."""
        if self._on_append is not None:
            self._on_append(event)
        self._add(event)

    def _add(self, event: Event) -> None:
        if isinstance(event, SentinelReading):
            self._readings.append(event)
            self._excesses.clear()
        else:
            assert self._readings, "the sentinel is read before the first round"
            window = len(self._readings) - 1
            self._rounds.setdefault(event.name, []).append((window, event.values_us))

    @property
    def readings(self) -> tuple[SentinelReading, ...]:
        """The sentinel's readings, in order."""
        return tuple(self._readings)

    @property
    def elapsed_s(self) -> float:
        """Seconds of measuring up to the last reading."""
        return self._readings[-1].at_s if self._readings else 0.0

    def baseline_us(self, pace: Pace) -> float:
        """What the sentinel takes at the pace that counts.

        Undisturbed: the fifth percentile of its readings. Other work can only slow it down, so the truth lies
        low, and a busy machine may be quiet for a small part of the time only; yet a single lucky reading
        must not condemn all the others. A reference below that is taken in its place: a device that is slow
        throughout looks steady by itself.

        Usual: where its readings lie densest, unless a reference tells the pace of earlier measurements,
        which these are to be compared with. Not the median of all: a machine with two paces, each of which
        it keeps half of the time, is hardly ever in between, and would be measured at a mixture of both.
        """
        if pace == "usual" and self._reference_us is not None:
            return self._reference_us
        free = [reading.latency_us for reading in self._readings if not reading.is_throttled]
        latencies = free or [reading.latency_us for reading in self._readings]
        if pace == "usual":
            return _densest(latencies)
        lowest = float(np.quantile(latencies, _UNDISTURBED_QUANTILE))
        return lowest if self._reference_us is None else min(lowest, self._reference_us)

    def attempts(self, name: str) -> int:
        """Rounds of a model, discarded ones included."""
        return len(self._rounds.get(name, ()))

    def is_finished(self, name: str, protocol: MeasurementProtocol) -> bool:
        """Whether a model needs no further round; later readings may yet tell that it does."""
        if self.attempts(name) >= protocol.max_attempts:
            return True
        measured = self.measurement(name, protocol)
        if measured is None or len(measured.rounds_us) < protocol.min_rounds:
            return False
        return measured.is_converged or len(measured.rounds_us) >= protocol.max_rounds

    def excesses(self, pace: Pace) -> list[float]:
        """Per window, how far its readings lie off the baseline, as a share: the larger of the two.

        Undisturbed, a reading below the baseline is as good as one on it; a usual pace has two sides.
        """
        if pace not in self._excesses:
            self._excesses[pace] = self._compute_excesses(pace)
        return self._excesses[pace]

    def _compute_excesses(self, pace: Pace) -> list[float]:
        baseline = self.baseline_us(pace)
        share = [
            math.inf if reading.is_throttled else _excess(reading.latency_us / baseline, pace)
            for reading in self._readings
        ]
        closing = [
            -1.0 if after.is_start else value
            for after, value in zip(self._readings[1:], share[1:], strict=True)
        ]
        return [max(pair) for pair in zip(share, [*closing, -1.0], strict=True)]

    def windows(self, protocol: MeasurementProtocol) -> tuple[int, int]:
        """Number of windows that hold a round, and how many of those are discarded."""
        used = {window for rounds in self._rounds.values() for window, _ in rounds}
        excesses = self.excesses(protocol.pace)
        return len(used), sum(excesses[window] > protocol.drift_tolerance for window in used)

    def measurement(self, name: str, protocol: MeasurementProtocol) -> Measurement | None:
        """What the rounds of a model amount to so far; None before its first usable round.

        Once a model's attempts are used up without enough rounds from steady windows, its steadiest
        rounds serve instead, and the measurement says so.
        """
        rounds = self._rounds.get(name)
        if not rounds:
            return None
        excesses = self.excesses(protocol.pace)
        steady = [values for window, values in rounds if excesses[window] <= protocol.drift_tolerance]
        kept, is_steady = steady[: protocol.max_rounds], True
        if len(steady) < protocol.min_rounds and len(rounds) >= protocol.max_attempts:
            ranked = sorted(rounds, key=lambda pair: excesses[pair[0]])
            kept, is_steady = [values for _, values in ranked[: protocol.min_rounds]], False
        if not kept:
            return None
        return Measurement(
            tuple(kept),
            num_discarded=len(rounds) - (len(steady) if is_steady else len(kept)),
            is_steady=is_steady,
            confidence=protocol.confidence,
            target_relative_ci=protocol.target_relative_ci,
        )


def _densest(latencies: list[float]) -> float:
    """The median of those of the window, of a fixed width in logarithms, that holds the most of them."""
    ordered = np.sort(np.asarray(latencies))
    ends = np.searchsorted(ordered, ordered * math.exp(_PACE_WIDTH), side="right")
    start = int(np.argmax(ends - np.arange(len(ordered))))
    return float(np.median(ordered[start : ends[start]]))


def _excess(ratio: float, pace: Pace) -> float:
    return ratio - 1 if pace == "undisturbed" else max(ratio, 1 / ratio) - 1
