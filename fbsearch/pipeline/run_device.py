"""A device of a run: its table, its latencies, and the exported model on it, in files of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fbsearch.costs import AdditiveCost, latency_cost
from fbsearch.data import DataSplits
from fbsearch.devices import RUNTIME_FORMATS, Device, Measurement, find_device
from fbsearch.errors import CalibrationError, RecipeError
from fbsearch.export import ModelFormat
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibrating import calibrate_table
from fbsearch.latency.design import Choices
from fbsearch.latency.profiling import profile
from fbsearch.latency.runtime import RuntimeChoice
from fbsearch.latency.settings import ModelSource, Watch
from fbsearch.pipeline.attempts import Attempt
from fbsearch.pipeline.choosing import FinalistMeter
from fbsearch.pipeline.device_settings import measured_on, on_device
from fbsearch.pipeline.folder import RunPaths
from fbsearch.pipeline.recipe import Recipe, TargetSettings, latency_budget_us
from fbsearch.pipeline.several_devices import device_of, named_by_device
from fbsearch.pipeline.verifying import Verification, run_verification, save_verification
from fbsearch.pipeline.whole_networks import Recalibration, WholeNetworkMeter, designed_table
from fbsearch.search import Limit
from fbsearch.spaces import FactoredSpace

Notify = Callable[[str], None]


@dataclass(frozen=True)
class RunDevice:
    """One of the devices that a recipe names.

    Args:
        number: from 1, as its files are named.
        settings: complete: nothing is left to the device's definition.
        device: itself.
        recipe: of the run.
        paths: of the run.
        progress: show progress.
        notify: told in one line what happens.
    """

    number: int
    settings: TargetSettings
    device: Device
    recipe: Recipe
    paths: RunPaths
    progress: bool
    notify: Notify

    def stage(self, name: str) -> str:
        """What a stage is called on this device: the first one's as it is."""
        return name if self.number == 1 else f"{name} {self.number}"

    @property
    def table(self) -> Path:
        """The file of its latency table."""
        return self.paths.table_of(self.number)

    @property
    def model_format(self) -> ModelFormat:
        """What its runtime reads."""
        return RUNTIME_FORMATS[self.settings.device.runtime]

    @property
    def model(self) -> Path:
        """The exported model that runs on it."""
        return self.paths.model(self.model_format, self.settings.device.precision)

    def profile(self, space: FactoredSpace) -> None:
        """Measure the table, or take over the one that the recipe names."""
        source = self.settings.profile.table
        if source is None:
            table = self.profile_into(space, self.table)
            self._notify(
                "profile",
                f"{len(table.entries)} operators; converting {table.seconds.converting:.0f} s, "
                f"measuring {table.seconds.measuring:.0f} s",
            )
            return
        table = LatencyTable.load(Path(source))
        table.check_space(space)
        how = self.settings.device
        runner = self.device.runner(how.runtime, threads=how.threads, precision=how.precision)
        for difference in table.check_device(self.device.describe(), runner.description):
            self.notify(f"warning: {difference}")
        table.save(self.table)

    def profile_into(self, space: FactoredSpace, path: Path) -> LatencyTable:
        """Measure the space into a table at ``path``."""
        how, measuring = self.settings.device, self.settings.profile
        return profile(
            space,
            self.device,
            out=path,
            how=RuntimeChoice(how.runtime, how.threads, how.precision),
            protocol=measuring.protocol,
            models=ModelSource(jobs=measuring.jobs),
            seed=self.recipe.seed,
            watch=Watch(self.progress),
        )

    def calibrate(self, space: FactoredSpace) -> None:
        """Tie the table to whole networks, unless it comes with as many as are asked for.

        A poor calibration is worse than none, and no reason to end a run of hours: the finalists and the
        exported model are measured in any case.
        """
        wanted = min(self.recipe.confirm.num_networks, space.size)
        if wanted == 0:
            return
        table = LatencyTable.load(self.table)
        known = table.calibration_for(space, least=wanted)
        if known is None:
            try:
                known = self._calibrated(table, space).calibration
            except CalibrationError as error:
                self.notify(f"warning: {self.stage('calibrate')}: the table stays as it was: {error}")
                table.with_warning(f"not calibrated: {error}").save(self.table)
                return
        assert known is not None
        self._notify("calibrate", known.summary)

    def latency(self, space: FactoredSpace) -> AdditiveCost:
        """Its latency in microseconds as the search begins with it."""
        table = designed_table(LatencyTable.load(self.table), space)
        return self._named(latency_cost(space, table, plain=not self._is_calibrated), table)

    def limit(self, latency: AdditiveCost) -> Limit:
        """Its budget on :meth:`latency`."""
        least_us, greatest_us = latency.range()
        budget_us = latency_budget_us(self.settings.budget_ms, (least_us, greatest_us))
        self.notify(
            f"search: budget {budget_us / 1000:.4g} ms{device_of(latency.name)}; the space offers "
            f"{least_us / 1000:.4g} to {greatest_us / 1000:.4g} ms ({latency.label})"
        )
        return Limit(latency, budget_us)

    def meter(self, space: FactoredSpace, attempts: Sequence[Attempt]) -> FinalistMeter:
        """Measures finalists.

        Args:
            space: of the finalists.
            attempts: models that were exported before.
        """
        protocol = self.settings.profile.protocol
        exported = {
            space.encode(attempt.architecture): attempt.measurement(protocol, self.number)
            for attempt in attempts
        }
        table = designed_table(LatencyTable.load(self.table), space)
        if not self._is_calibrated or table.calibration_for(space) is None:
            return FinalistMeter(self._measure, exported=exported)
        learn = Recalibration(space, table, self.table, exported=frozenset(exported))

        def recalibrate(measured: Mapping[Choices, Measurement]) -> AdditiveCost:
            return self._named(learn(measured), table)

        return FinalistMeter(self._measure, recalibrate, exported)

    def verify(self, data: DataSplits) -> Verification:
        """Check the exported model here and measure it; once more where it is over and the device was busy.

        Raises:
            ExportError, CheckpointError, MeasurementError: as the verification raises them.
        """
        verification = self._verification(data, self.recipe.seed)
        if not (verification.keeps_budget or verification.is_steady):
            self._notify("verify", "over the budget, but the device was busy throughout: measured once more")
            verification = self._verification(data, self.recipe.seed + 1)
        save_verification(verification, self.paths, self.number)
        self._notify(
            "verify",
            f"{verification.measured_ms:.4g} ms measured, {verification.predicted_ms:.4g} ms predicted, "
            f"budget {verification.budget_ms:.4g} ms; accuracy {verification.test_accuracy:.2%}",
        )
        return verification

    def _calibrated(self, table: LatencyTable, space: FactoredSpace) -> LatencyTable:
        return calibrate_table(
            table,
            space,
            self.device,
            out=self.table,
            num_networks=self.recipe.confirm.num_networks,
            protocol=self.settings.profile.protocol,
            models=ModelSource(jobs=self.settings.profile.jobs),
            seed=self.recipe.seed,
            watch=Watch(self.progress),
        )

    def _verification(self, data: DataSplits, seed: int) -> Verification:
        return run_verification(
            self.model,
            paths=self.paths,
            device=self.device,
            device_settings=self.settings.device,
            protocol=self.settings.profile.protocol,
            settings=self.recipe.verify,
            data=data,
            budget_ms=None,
            seed=seed,
            number=self.number,
        )

    def _named(self, latency: AdditiveCost, table: LatencyTable) -> AdditiveCost:
        return latency if self.number == 1 else named_by_device(latency, table)

    @property
    def _is_calibrated(self) -> bool:
        return self.recipe.confirm.num_networks > 0

    @cached_property
    def _measure(self) -> WholeNetworkMeter:
        return WholeNetworkMeter(
            self.device,
            self.settings.device,
            self.settings.profile,
            seed=self.recipe.seed,
            progress=self.progress,
            launches=self.paths.launches_of(self.number),
            reference_us=lambda: LatencyTable.load(self.table).sentinel.baseline_us,
        )

    def _notify(self, stage: str, text: str) -> None:
        self.notify(f"{self.stage(stage)}: {text}")


def run_devices(
    recipe: Recipe, paths: RunPaths, *, progress: bool, notify: Notify, keep: bool
) -> tuple[RunDevice, ...]:
    """The devices of a recipe, its own first; nothing is contacted yet.

    Args:
        recipe: every setting; what it leaves open is taken from the devices' definitions.
        paths: of the run.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on phones.

    Raises:
        DeviceError: if there is none of a name, or ``keep`` is asked of this computer.
        RecipeError: if two are the same.
    """
    devices = [find_device(target.device.name, keep=keep) for target in recipe.targets]
    targets = [_complete(target, device) for target, device in zip(recipe.targets, devices, strict=True)]
    for number, target in enumerate(targets):
        if target.device in [earlier.device for earlier in targets[:number]]:
            how = target.device
            raise RecipeError(
                f"other_devices: {how.name} ({how.runtime}, {how.threads} thread(s), {how.precision}) is "
                "named twice: every device needs another name, runtime, number of threads or precision"
            )
    complete = _with_targets(recipe, targets)
    return tuple(
        RunDevice(number, target, device, complete, paths, progress, notify)
        for number, (target, device) in enumerate(zip(targets, devices, strict=True), start=1)
    )


def _complete(target: TargetSettings, device: Device) -> TargetSettings:
    """``target``, with what it leaves open taken from the device's definition."""
    return target.model_copy(
        update={
            "device": on_device(target.device, device.definition),
            "profile": measured_on(target.profile, device.definition),
        }
    )


def _with_targets(recipe: Recipe, targets: Sequence[TargetSettings]) -> Recipe:
    """The recipe with these in place of its own and other devices."""
    own, *others = targets
    return recipe.model_copy(
        update={"device": own.device, "profile": own.profile, "other_devices": tuple(others)}
    )
