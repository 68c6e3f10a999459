"""Whole networks on the device: for correcting sums, and for choosing among finalists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.costs import AdditiveCost
from fbsearch.devices import Device, RuntimeName
from fbsearch.errors import CheckpointError
from fbsearch.files import read_json, write_json
from fbsearch.latency import AffineCorrection, LatencyTable, fit_affine
from fbsearch.latency.networks import measure_architectures
from fbsearch.pipeline.recipe import DeviceSettings, ProfileSettings
from fbsearch.search import most_probable
from fbsearch.spaces import LayerwiseSpace


@dataclass(frozen=True)
class WholeNetworkMeter:
    """Measures whole networks with the settings of a run.

    Args:
        device: where.
        settings: runtime, threads, precision.
        profile: protocol and conversion jobs.
        seed: of the order of measurements.
        progress: show progress.
        launches: where a device that launches a tool records every launch.
        reference_us: tells the sentinel's latency on the undisturbed device, asked when it is needed.
    """

    device: Device
    settings: DeviceSettings
    profile: ProfileSettings
    seed: int
    progress: bool
    launches: Path | None = None
    reference_us: Callable[[], float | None] = lambda: None

    def __call__(self, architectures: Sequence[Architecture]) -> list[float]:
        """Latencies in microseconds, in the order of ``architectures``."""
        runtime: RuntimeName = self.settings.runtime
        measurements = measure_architectures(
            architectures,
            self.device,
            runtime=runtime,
            threads=self.settings.threads,
            precision=self.settings.precision,
            protocol=self.profile.protocol,
            jobs=self.profile.jobs,
            seed=self.seed,
            progress=self.progress,
            launches=self.launches,
            reference_us=self.reference_us(),
        )
        return [measurement.latency_us for measurement in measurements]


def correct_table(
    space: LayerwiseSpace,
    table: LatencyTable,
    cost: AdditiveCost,
    *,
    count: int,
    seed: int,
    meter: Callable[[Sequence[Architecture]], Sequence[float]],
    path: Path,
) -> AffineCorrection:
    """Measure whole networks, fit the line from sums to them, and write both to ``path``.

    The networks are the fastest, the slowest and random ones: a line needs its ends.

    Args:
        space: of the networks.
        table: for the space.
        cost: its plain sums.
        count: how many networks, at least two.
        seed: of the random ones.
        meter: whole networks to their latencies in microseconds.
        path: the file to write.

    Raises:
        MeasurementError: if whole networks do not take longer where sums are larger.
    """
    rng = np.random.default_rng([seed, 3])
    ends = (most_probable(-cost.coefficients), most_probable(cost.coefficients))
    chosen = list(dict.fromkeys([*ends, *(space.sample(rng) for _ in range(4 * count))]))[:count]
    architectures = [space.decode(choices) for choices in chosen]
    measured = meter(architectures)
    sums = [table.architecture_us(architecture) for architecture in architectures]
    correction = fit_affine(sums, measured)
    rows = [
        {"choices": list(choices), "sum_us": total, "measured_us": latency}
        for choices, total, latency in zip(chosen, sums, measured, strict=True)
    ]
    write_json(path, {**correction.to_dict(), "networks": rows})
    return correction


def load_correction(path: Path) -> AffineCorrection:
    """The correction that :func:`correct_table` wrote.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    try:
        return AffineCorrection.from_dict(read_json(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: cannot read the correction ({error!r}); delete it to measure again"
        ) from None
