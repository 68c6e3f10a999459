"""Carrying out the measurement protocol, on whatever runs the models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from fbsearch.devices.log import MeasurementLog, ModelRound, SentinelReading
from fbsearch.devices.measurement import Measurement, round_us
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Session
from fbsearch.errors import MeasurementError

_SENTINEL = "the sentinel"


def measure(
    sessions: Mapping[str, Session],
    protocol: MeasurementProtocol,
    *,
    sentinel: Session,
    rng: np.random.Generator,
    log: MeasurementLog | None = None,
    on_progress: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Measurement]:
    """Measure models against each other, interleaved; see :class:`MeasurementProtocol`.

    Args:
        sessions: the models, by name.
        protocol: how.
        sentinel: a model whose latency tells the state of the machine.
        rng: shuffles the order of every pass.
        log: receives every event; one that already holds events is continued.
        on_progress: called after every round with the share of the work done, in [0, 1].
        clock: seconds, for the log.
        pause: waits, after a discarded window.

    Returns:
        A measurement per model. One that never converged, or had to use slow rounds, says so.

    Raises:
        MeasurementError: if a model does not run, or a latency comes back that cannot be one.
    """
    run = _Run(sessions, protocol, sentinel, log if log is not None else MeasurementLog(), clock, pause)
    unfinished = [name for name in sessions if not run.is_done(name)]
    if unfinished:
        run.start()
    while unfinished:
        order = [unfinished[i] for i in rng.permutation(len(unfinished))]
        for start in range(0, len(order), protocol.sentinel_period):
            run.window(order[start : start + protocol.sentinel_period])
            if on_progress is not None:
                on_progress(run.progress())
        unfinished = [name for name in unfinished if not run.is_done(name)]
    return {name: run.result(name) for name in sessions}


class _Run:
    """One process's share of a measurement."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        protocol: MeasurementProtocol,
        sentinel: Session,
        log: MeasurementLog,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._sessions = sessions
        self._protocol = protocol
        self._sentinel = sentinel
        self._log = log
        self._clock = clock
        self._pause = pause
        self._started_s = clock() - log.elapsed_s
        self._counts: dict[str, int] = {}

    def start(self) -> None:
        """Read the sentinel often enough for a first baseline."""
        for index in range(self._protocol.initial_sentinel_readings):
            self._read_sentinel(is_start=index == 0)

    def window(self, names: list[str]) -> None:
        """One round of each model, then the sentinel; a pause if that shows a slow machine."""
        for name in names:
            values = self._round(name, self._sessions[name])
            self._log.append(ModelRound(name, values))
        self._read_sentinel()
        if self._log.excesses()[-2] > self._protocol.drift_tolerance:
            self._pause(self._protocol.cooldown_s)

    def is_done(self, name: str) -> bool:
        """Whether a model needs no further round."""
        protocol = self._protocol
        if self._log.attempts(name) >= protocol.max_attempts:
            return True
        measured = self._log.measurement(name, protocol)
        if measured is None or len(measured.rounds_us) < protocol.min_rounds:
            return False
        return measured.is_converged or len(measured.rounds_us) >= protocol.max_rounds

    def progress(self) -> float:
        """The share of the work done, taking unfinished models for half done past their fewest rounds."""
        shares = []
        for name in self._sessions:
            share = min(self._log.attempts(name) / (2 * self._protocol.min_rounds), 0.9)
            shares.append(1.0 if self.is_done(name) else share)
        return sum(shares) / len(shares)

    def result(self, name: str) -> Measurement:
        """A finished model's measurement."""
        measured = self._log.measurement(name, self._protocol)
        assert measured is not None, "a finished model has rounds"
        return measured

    def _read_sentinel(self, *, is_start: bool = False) -> None:
        values = self._round(_SENTINEL, self._sentinel)
        at_s = round(self._clock() - self._started_s, 3)
        self._log.append(SentinelReading(round_us(float(np.median(values))), at_s, is_start))

    def _round(self, name: str, session: Session) -> tuple[float, ...]:
        if name not in self._counts:
            self._counts[name] = self._warm_up(name, session)
        elif self._protocol.settle_invocations:
            session.invoke(self._protocol.settle_invocations)
        return _checked(name, session.invoke(self._counts[name]))

    def _warm_up(self, name: str, session: Session) -> int:
        """Run a model untimed; the number of invocations that fill a round follows from its pace."""
        protocol = self._protocol
        values = _checked(name, session.invoke(protocol.warmup_invocations))
        rest_us = protocol.warmup_ms * 1000 - sum(values)
        more = math.ceil(rest_us / float(np.median(values)))
        if more > 0:
            values = _checked(name, session.invoke(more))
        return protocol.invocations(float(np.median(values)))


def _checked(name: str, values: list[float]) -> tuple[float, ...]:
    if not values:
        raise MeasurementError(f"{name}: the device gave no latency; see whether the model runs there by itself")
    for value in values:
        if not (math.isfinite(value) and value > 0):
            raise MeasurementError(f"{name}: the device gave a latency of {value}, which cannot be one")
    return tuple(round_us(value) for value in values)
