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
    throttling: Callable[[], str | None] = lambda: None,
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
        throttling: asked at every reading of the sentinel whether the device says that it is held back.
        clock: seconds, for the log.
        pause: waits for the machine to become quiet.

    Returns:
        A measurement per model. One that never converged, or had to use slow rounds, says so.

    Raises:
        MeasurementError: if a model does not run, or a latency comes back that cannot be one.
    """
    run = _Run(
        sessions, protocol, sentinel, log if log is not None else MeasurementLog(), throttling, clock, pause
    )
    unfinished = run.unfinished()
    if unfinished:
        run.start()
    while unfinished:
        order = [unfinished[i] for i in rng.permutation(len(unfinished))]
        for start in range(0, len(order), protocol.sentinel_period):
            run.window(order[start : start + protocol.sentinel_period])
            if on_progress is not None:
                on_progress(run.progress(unfinished))
        unfinished = run.unfinished()
    if on_progress is not None:
        on_progress(1.0)
    return {name: run.result(name) for name in sessions}


class _Run:
    """One process's share of a measurement."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        protocol: MeasurementProtocol,
        sentinel: Session,
        log: MeasurementLog,
        throttling: Callable[[], str | None],
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._sessions = sessions
        self._protocol = protocol
        self._sentinel = sentinel
        self._log = log
        self._throttling = throttling
        self._clock = clock
        self._pause = pause
        self._started_s = clock() - log.elapsed_s
        self._counts: dict[str, int] = {}
        self._patience_s = protocol.patience_s

    def unfinished(self) -> list[str]:
        """Models that need another round; one may come back when its windows turn out to be slow ones."""
        return [name for name in self._sessions if not self._log.is_finished(name, self._protocol)]

    def start(self) -> None:
        """Read the sentinel often enough for a first baseline."""
        for index in range(self._protocol.initial_sentinel_readings):
            self._read_sentinel(is_start=index == 0)

    def window(self, names: list[str]) -> None:
        """Wait for the sentinel's pace, then one round of each model, then the sentinel again."""
        while self._is_slow() and self._patience_s > 0:
            before = self._clock()
            self._pause(self._protocol.cooldown_s)
            self._read_sentinel()
            self._patience_s -= max(self._clock() - before, self._protocol.cooldown_s, 1e-3)
        for name in names:
            values = self._round(name, self._sessions[name], self._protocol.invocations)
            self._log.append(ModelRound(name, values))
        self._read_sentinel()

    def progress(self, unfinished: list[str]) -> float:
        """The share of the work done, taking unfinished models for half done past their fewest rounds."""
        fewest = self._protocol.min_rounds
        shares = [min(self._log.attempts(name) / (2 * fewest), 0.9) for name in unfinished]
        return 1 - (len(unfinished) - sum(shares)) / len(self._sessions)

    def result(self, name: str) -> Measurement:
        """A finished model's measurement."""
        measured = self._log.measurement(name, self._protocol)
        assert measured is not None, "a finished model has rounds"
        return measured

    def _is_slow(self) -> bool:
        """Whether the last reading would condemn the window that it opens."""
        return self._log.excesses(self._protocol.pace)[-1] > self._protocol.drift_tolerance

    def _read_sentinel(self, *, is_start: bool = False) -> None:
        values = self._round(_SENTINEL, self._sentinel, self._protocol.sentinel_invocations)
        is_throttled = self._throttling() is not None
        at_s = round(self._clock() - self._started_s, 3)
        latency_us = round_us(float(np.median(values)))
        self._log.append(SentinelReading(latency_us, at_s, is_start=is_start, is_throttled=is_throttled))

    def _round(self, name: str, session: Session, invocations: Callable[[float], int]) -> tuple[float, ...]:
        if name not in self._counts:
            self._counts[name] = invocations(self._warm_up(name, session))
        elif self._protocol.settle_invocations:
            session.invoke(self._protocol.settle_invocations)
        return _checked(name, session.invoke(self._counts[name]))

    def _warm_up(self, name: str, session: Session) -> float:
        """Run a model untimed, and tell its pace in microseconds."""
        protocol = self._protocol
        values = _checked(name, session.invoke(protocol.warmup_invocations))
        rest_us = protocol.warmup_ms * 1000 - sum(values)
        more = math.ceil(rest_us / float(np.median(values)))
        if more > 0:
            values = _checked(name, session.invoke(more))
        return float(np.median(values))


def _checked(name: str, values: list[float]) -> tuple[float, ...]:
    if not values:
        raise MeasurementError(
            f"{name}: the device gave no latency; see whether the model runs there by itself"
        )
    for value in values:
        if not (math.isfinite(value) and value > 0):
            raise MeasurementError(f"{name}: the device gave a latency of {value}, which cannot be one")
    return tuple(round_us(value) for value in values)
