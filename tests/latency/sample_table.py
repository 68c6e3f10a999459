"""A table of invented but consistent numbers."""

from __future__ import annotations

import numpy as np

from fbsearch.devices import DeviceDescription, Measurement, MeasurementProtocol, RuntimeDescription
from fbsearch.devices.measurement import round_us
from fbsearch.latency import Calibration, LatencyTable, TableEntry
from fbsearch.latency.calibration.calibration import calibrate
from fbsearch.latency.calibration.design import design_networks
from fbsearch.latency.calibration.designing import latencies_by_candidate
from fbsearch.latency.calibration.places import Places
from fbsearch.latency.calibration.terms import terms_of
from fbsearch.latency.entries.header import SentinelRecord, SpaceReference, TableHeader, TableSeconds
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.spaces import FactoredSpace, load_space

DEVICE = DeviceDescription(name="bench", kind="local", model="Test CPU", architecture="x86_64", num_cores=4)
RUNTIME = RuntimeDescription(name="tflite", package="ai-edge-litert", version="2.3.0", threads=1)


def sample_table(
    space: FactoredSpace | None = None, *, num_rounds: int = 8, num_values: int = 5
) -> LatencyTable:
    space = space or load_space("digits")
    rng = np.random.default_rng(0)
    entries = {}
    for operator in space.operators():
        if operator.is_identity:
            continue
        draws = rng.uniform(5, 500) * np.exp(rng.normal(0, 0.004, size=(num_rounds, num_values)))
        rounds = tuple(tuple(round_us(float(value)) for value in row) for row in draws)
        entries[operator.key] = TableEntry.of(Measurement(rounds))
    header = TableHeader(
        device=DEVICE,
        runtime=RUNTIME,
        space=SpaceReference(name=space.name, fingerprint=space.fingerprint),
        protocol=MeasurementProtocol(),
        seed=0,
        created="2026-01-02T03:04:05+00:00",
        seconds=TableSeconds(converting=1.5, measuring=2.5),
        sentinel=SentinelRecord(
            operator=SENTINEL.key,
            baseline_us=150.0,
            readings_us=(150.0, 151.0),
            num_windows=1,
            num_discarded_windows=0,
        ),
        warnings=("a note",),
    )
    return LatencyTable(header, entries)


def sample_calibration(
    space: FactoredSpace, table: LatencyTable, *, num_networks: int = 24, num_values: int = 3
) -> Calibration:
    """Whole networks that take 1.2 times their sums less 5 us, give or take a few percent each."""
    rng = np.random.default_rng(1)
    places = Places.of(space)
    by_candidate = latencies_by_candidate(space, table.latency_us)
    measured = []
    for one in design_networks(by_candidate, num_networks, rng):
        total = 1.2 * table.architecture_us(space.decode(one)) - 5
        draws = total * np.exp(rng.normal(0, 0.03) + rng.normal(0, 0.004, size=(8, num_values)))
        rounds = tuple(tuple(round_us(float(value)) for value in row) for row in draws)
        measured.append((places.choices(one), "design", Measurement(rounds)))
    return calibrate(
        terms_of(space),
        table.latency_us,
        measured,
        protocol=table.protocol,
        seed=0,
        seconds=TableSeconds(converting=3.0, measuring=4.0),
    )
