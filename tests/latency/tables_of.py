"""Tables of invented latencies: any operators, any law."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.devices import Measurement
from fbsearch.devices.measurement import round_us
from fbsearch.latency import LatencyTable, TableEntry
from fbsearch.latency.entries.header import SpaceReference
from fbsearch.spaces import Space
from tests.latency.sample_table import sample_table


def table_of(
    space: Space, operators: Iterable[Operator], law: Callable[[Operator], float], *, noise: float = 0.0
) -> LatencyTable:
    """A table of ``space`` that holds operators, each as a law says, give or take a share of noise."""
    rng = np.random.default_rng(1)
    entries = {}
    for operator in dict.fromkeys(operators):
        if not operator.is_free:
            latency_us = law(operator) * float(np.exp(rng.normal(0, noise)))
            rounds = tuple((round_us(latency_us),) * 3 for _ in range(8))
            entries[operator.key] = TableEntry.of(Measurement(rounds))
    base = sample_table()
    reference = SpaceReference(name=space.name, fingerprint=space.fingerprint)
    return replace(base, header=base.header.model_copy(update={"space": reference}), entries=entries)
