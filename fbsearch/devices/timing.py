"""The timing loop of runtimes that live in this process."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter_ns


def time_invocations(invoke: Callable[[], object], count: int) -> list[float]:
    """Latencies of ``count`` calls in microseconds; the garbage collector waits until they are done."""
    ticks = [0] * count
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for index in range(count):
            start = perf_counter_ns()
            invoke()
            ticks[index] = perf_counter_ns() - start
    finally:
        if was_enabled:
            gc.enable()
    return [tick / 1000 for tick in ticks]
