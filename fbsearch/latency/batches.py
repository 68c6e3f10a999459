"""Models measured together: all at once, or in batches while others are still converted."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices.log import MeasurementLog
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import MeasurementProtocol
from fbsearch.devices.runner import Runner, Session
from fbsearch.latency.conversion import Conversion, Converter, in_background
from fbsearch.latency.journal import Journal
from fbsearch.latency.progress import ProfileDisplay

SENTINEL = Operator.from_key("mbconv_k3_e6_s1_relu_c32-32_r28")
"""The model that watches the machine: typical work, about 0.1 to 0.2 ms on a server core."""

_BATCH = 12
"""Models that are at least measured together, where converting goes on meanwhile."""

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
    """

    runner: Runner
    protocol: MeasurementProtocol
    seed: int
    launches: Path
    sentinel: Converter


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
    device measures what is converted while the rest is.

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
        sessions: dict[str, Session] = {}
        for batch in batches:
            bench.runner.prepare(list(batch.values()))
            opened = {items[item]: bench.runner.open(model) for item, model in batch.items()}
            for session in opened.values():
                stack.callback(session.close)
            share = _Share(shown, len(sessions), len(items), len(opened))
            _measure_batch(opened, sentinel, bench, log, share)
            sessions |= opened
        # Early rounds may turn out slow by what became known of the device later.
        results = _measure_batch(sessions, sentinel, bench, log, lambda share: None)
        shown.measured(1.0)
    return {item: results[name] for item, name in items.items()}


def _measure_batch(
    sessions: Mapping[str, Session],
    sentinel: Session,
    bench: Bench,
    log: MeasurementLog,
    on_progress: Callable[[float], None],
) -> dict[str, Measurement]:
    return measure(
        sessions,
        bench.protocol,
        sentinel=sentinel,
        rng=np.random.default_rng([bench.seed, len(log.readings)]),
        log=log,
        on_progress=on_progress,
        throttling=bench.runner.throttling,
    )


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


@dataclass(frozen=True)
class _Share:
    """Progress of a batch as progress of the whole."""

    shown: ProfileDisplay
    num_before: int
    num_in_all: int
    num_in_batch: int

    def __call__(self, share: float) -> None:
        self.shown.measured((self.num_before + share * self.num_in_batch) / self.num_in_all)
