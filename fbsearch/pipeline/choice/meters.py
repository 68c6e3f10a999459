"""Whole networks on the device: finalists are measured, and what they tell goes to the calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.costs import Cost, searchable_latency
from fbsearch.devices import Device, Measurement
from fbsearch.errors import CalibrationError
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.calibration import calibrate
from fbsearch.latency.calibration.design import Choices
from fbsearch.latency.calibration.records import Origin
from fbsearch.latency.measuring.networks import measure_architectures
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.pipeline.recipe import DeviceSettings, ProfileSettings
from fbsearch.spaces import Space


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
        reference_us: tells the sentinel's latency at a table's pace, asked when it is needed.
    """

    device: Device
    settings: DeviceSettings
    profile: ProfileSettings
    seed: int
    progress: bool
    launches: Path | None = None
    reference_us: Callable[[], float | None] = lambda: None

    def __call__(self, architectures: Sequence[Architecture]) -> Sequence[Measurement]:
        """Their measurements, in the order of ``architectures``."""
        return measure_architectures(
            architectures,
            self.device,
            how=RuntimeChoice(self.settings.runtime, self.settings.threads, self.settings.precision),
            protocol=self.profile.protocol,
            jobs=self.profile.jobs,
            seed=self.seed,
            progress=self.progress,
            launches=self.launches,
            reference_us=self.reference_us(),
        )


@dataclass(frozen=True)
class Recalibration:
    """Adds the networks that a search measured to a table's calibration.

    How freely corrections may move stays what the designed networks chose: a few that a search prefers speak
    for themselves, not for the space.

    Args:
        space: of the networks.
        table: calibrated for the space, with designed networks alone.
        path: the table's file, which is replaced.
        exported: those of the networks that were measured as exported models.
    """

    space: Space
    table: LatencyTable
    path: Path
    exported: frozenset[Architecture] = frozenset()

    def __call__(self, measured: Mapping[Architecture, Measurement]) -> Cost:
        """The latency as it looks now; where the new networks fit in with nothing, as it looked before."""
        table = self._table_now()
        before = table.calibration
        assert before is not None and before.matches(self.space)
        terms = before.terms.including(measured)
        added: list[tuple[Choices, Origin, Measurement]] = [
            (choices, "export" if architecture in self.exported else "search", measurement)
            for architecture, measurement in measured.items()
            if (choices := terms.choices(architecture)) is not None
        ]
        with suppress(CalibrationError):
            table = table.with_calibration(
                calibrate(
                    terms,
                    table.latency_us,
                    [*before.measured(), *added],
                    protocol=before.header.protocol,
                    seed=before.header.seed,
                    seconds=before.header.seconds,
                    shrinkage=before.header.fit.shrinkage,
                )
            )
        table.save(self.path)
        return searchable_latency(self.space, table)

    def _table_now(self) -> LatencyTable:
        """The table as the search began with it; an open space's may have grown since."""
        if self.space.operators() is not None:
            return self.table
        return designed_table(LatencyTable.load(self.path), self.space)


def designed_table(table: LatencyTable, space: Space) -> LatencyTable:
    """The table as it was before a search added its finalists to the calibration.

    An interrupted search goes on with the latencies that it began with.
    """
    calibration = table.calibration
    if calibration is None or all(network.origin == "design" for network in calibration.networks):
        return table
    return table.with_calibration(
        calibrate(
            calibration.terms,
            table.latency_us,
            calibration.measured("design"),
            protocol=calibration.header.protocol,
            seed=calibration.header.seed,
            seconds=calibration.header.seconds,
            shrinkage=calibration.header.fit.shrinkage,
        )
    )
