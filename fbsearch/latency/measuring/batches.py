"""Models measured against each other: in batches while others are converted, in groups that fit in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Runner, Session
from fbsearch.latency.measuring.conversion import Conversion, Converter, in_background
from fbsearch.latency.measuring.journal import Journal
from fbsearch.latency.measuring.progress import ProfileDisplay
from fbsearch.latency.measuring.sentinel import SENTINEL

_BATCH = 12
"""Models that are at least measured together, where converting goes on meanwhile."""

_MEMORY_SHARE = 1 / 16
"""Of this computer's memory, the most that the files of models open at once may amount to.

Open, a model in fp32 takes about three times its file: its content, its weights as the runtime packs them,
its activations. Weights of other precisions may be unpacked to more.
"""

_ASSUMED_MEMORY_BYTES = 4 * 2**30
"""Where a system does not tell."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Bench:
    """Where and how models are measured against each other.

    Args:
        runner: of the device.
        protocol: of the measurement.
        seed: shuffles the order of measuring.
        launches: where a device that launches a tool records every launch.
        sentinel: makes the sentinel's model.
        memory_bytes: of the device, or None where it does not tell.
    """

    runner: Runner
    protocol: MeasurementProtocol
    seed: int
    launches: Path
    sentinel: Converter
    memory_bytes: int | None = None

    @property
    def max_open_bytes(self) -> float:
        """How large the files of models open at once may be; models elsewhere take no memory here."""
        if self.runner.is_elsewhere:
            return math.inf
        return _MEMORY_SHARE * (self.memory_bytes or _ASSUMED_MEMORY_BYTES)


def measure_in_batches(
    items: Mapping[_Item, str],
    convert: Conversion[_Item],
    bench: Bench,
    *,
    journal: Journal,
    log: MeasurementLog,
    shown: ProfileDisplay,
) -> dict[_Item, Measurement]:
    """Measure what is converted.

    On this computer everything is converted first, so that nothing else runs while it measures; another
    device measures what is converted while the rest is. Models that do not fit in memory together are
    measured in groups, one after the other, watched by the same sentinel and judged by one log.

    Args:
        items: what to measure, with their names in the log.
        convert: makes their models.
        bench: where and how.
        journal: is told the seconds of converting.
        log: receives every event; what it holds already is not measured again.
        shown: progress.

    Raises:
        ExportError: if an item cannot be converted.
        DeviceError: if the device cannot be used, or a model does not run there.
    """
    clock = _Converting(convert, shown)
    with ExitStack() as stack:
        watch = _Converting(bench.sentinel, shown)
        [(_, sentinel_model)] = watch([SENTINEL])
        clock.seconds += watch.seconds
        batches = stack.enter_context(_converted(clock, list(items), bench.runner, journal))
        stack.enter_context(bench.runner.measuring(bench.launches))
        bench.runner.prepare([sentinel_model])
        sentinel = bench.runner.open(sentinel_model)
        stack.callback(sentinel.close)
        shown.start_measuring()
        meter = _Meter(bench, sentinel, log, shown, tuple(items.values()))
        models: dict[str, Path] = {}
        for batch in batches:
            bench.runner.prepare(list(batch.values()))
            named = {items[item]: model for item, model in batch.items()}
            meter.measure(named)
            models |= named
        # Early rounds may turn out slow by what became known of the device later.
        while meter.unfinished(models):
            meter.measure(models)
        shown.measured(1.0)
    return {item: meter.result(name) for item, name in items.items()}


@dataclass(frozen=True)
class _Meter:
    """Opens models and measures them against each other, as many at once as may be open.

    Args:
        bench: where and how.
        sentinel: watches them all.
        log: receives every event.
        shown: progress.
        names: of all models that there are.
    """

    bench: Bench
    sentinel: Session
    log: MeasurementLog
    shown: ProfileDisplay
    names: tuple[str, ...]

    def unfinished(self, names: Iterable[str]) -> list[str]:
        """Those that need another round."""
        return [name for name in names if not self.log.is_finished(name, self.bench.protocol)]

    def measure(self, models: Mapping[str, Path]) -> None:
        """Measure those of the models that need it."""
        unfinished = {name: models[name] for name in self.unfinished(models)}
        for group in groups_by_size(unfinished, self.bench.max_open_bytes):
            self._measure_group(group)

    def result(self, name: str) -> Measurement:
        """A finished model's measurement."""
        measured = self.log.measurement(name, self.bench.protocol)
        assert measured is not None, "a finished model has rounds"
        return measured

    def _measure_group(self, group: Mapping[str, Path]) -> None:
        runner = self.bench.runner
        num_done = len(self.names) - len(self.unfinished(self.names))

        def show(share: float) -> None:
            self.shown.measured((num_done + share * len(group)) / len(self.names))

        with ExitStack() as stack:
            sessions: dict[str, Session] = {}
            for name, model in group.items():
                sessions[name] = runner.open(model)
                stack.callback(sessions[name].close)
            measure(
                sessions,
                self.bench.protocol,
                sentinel=self.sentinel,
                rng=np.random.default_rng([self.bench.seed, len(self.log.readings)]),
                log=self.log,
                on_progress=show,
                throttling=runner.throttling,
            )


def groups_by_size(models: Mapping[str, Path], max_bytes: float) -> list[dict[str, Path]]:
    """Model files in their order, in groups of at most so many bytes; a larger file is one by itself."""
    groups: list[dict[str, Path]] = []
    room = 0.0
    for name, model in models.items():
        size = _size(model)
        if not groups or size > room:
            groups.append({})
            room = max_bytes
        groups[-1][name] = model
        room -= size
    return groups


def _size(model: Path) -> int:
    """Bytes of a model's file; 0 of one that is not there, which opening it tells."""
    try:
        return model.stat().st_size
    except OSError:
        return 0


@contextmanager
def _converted(
    clock: _Converting[_Item], items: Sequence[_Item], runner: Runner, journal: Journal
) -> Iterator[Iterator[dict[_Item, Path]]]:
    """The models in batches; in one batch where converting would disturb."""
    if not runner.is_elsewhere:
        models = dict(clock(items))
        journal.add_converting(clock.seconds)
        yield iter([models])
        return
    with in_background(clock, items, batch=_BATCH) as batches:
        yield batches
    journal.add_converting(clock.seconds)


class _Converting(Generic[_Item]):
    """A conversion that shows its progress and adds up its time."""

    def __init__(self, convert: Conversion[_Item], shown: ProfileDisplay) -> None:
        self._convert = convert
        self._shown = shown
        self.seconds = 0.0

    def __call__(self, items: Sequence[_Item]) -> Generator[tuple[_Item, Path], None, None]:
        start = time.monotonic()
        for item in self._convert(items):
            self._shown.converted()
            yield item
        self.seconds += time.monotonic() - start
