"""The targets of a run: devices that the model has to run on, each with files of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fbsearch.devices import RUNTIME_FORMATS, AdbDefinition, Device, find_definition, find_device
from fbsearch.errors import RecipeError
from fbsearch.export import ModelFormat
from fbsearch.latency import LatencyTable
from fbsearch.pipeline.recipe import Recipe, TargetSettings, measured_on, on_device
from fbsearch.precision import Precision
from fbsearch.records import RunPaths
from fbsearch.records.run import stage_name

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """One of the devices that a recipe names.

    Args:
        number: from 1, as its files are named.
        settings: complete: nothing is left to the device's definition.
        device: itself.
        recipe: of the run, complete likewise.
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

    @property
    def table_path(self) -> Path:
        """The file of its latency table."""
        return self.paths.table(self.number)

    def load_table(self) -> LatencyTable:
        """Its latency table."""
        return LatencyTable.load(self.table_path)

    @property
    def model_kind(self) -> tuple[ModelFormat, Precision]:
        """What its runtime reads."""
        return RUNTIME_FORMATS[self.settings.device.runtime], self.settings.device.precision

    @property
    def model(self) -> Path:
        """The exported model that runs on it."""
        return self.paths.model(*self.model_kind)

    @property
    def is_calibrated(self) -> bool:
        """Whether whole networks are measured for its table."""
        return self.recipe.confirm.num_networks > 0

    def stage(self, kind: str) -> str:
        """What a stage of a kind is called on it."""
        return stage_name(kind, self.number)

    def tell(self, kind: str, text: str) -> None:
        """Tell in one line what happened in a stage."""
        self.notify(f"{self.stage(kind)}: {text}")


def open_targets(
    recipe: Recipe, paths: RunPaths, *, progress: bool, notify: Notify, keep: bool
) -> tuple[Target, ...]:
    """The targets of a recipe; nothing is contacted yet.

    Args:
        recipe: every setting; what it leaves open is taken from the devices' definitions.
        paths: of the run.
        progress: show progress.
        notify: told in one line what happens.
        keep: leave our folder on phones.

    Raises:
        DeviceError: if there is none of a name, or ``keep`` is asked where no target is a phone.
        RecipeError: if two are the same.
    """
    devices = _find_devices([target.device.name for target in recipe.targets], keep=keep)
    targets = [_complete(target, device) for target, device in zip(recipe.targets, devices, strict=True)]
    _check_distinct(targets)
    complete = recipe.with_targets(targets)
    return tuple(
        Target(number, target, device, complete, paths, progress, notify)
        for number, (target, device) in enumerate(zip(targets, devices, strict=True), start=1)
    )


def _find_devices(names: Sequence[str], *, keep: bool) -> list[Device]:
    """The devices; what is kept, is kept on the phones among them."""
    are_phones = [isinstance(find_definition(name), AdbDefinition) for name in names]
    if not any(are_phones):
        are_phones = [True] * len(names)  # keeping is then refused, by name
    return [
        find_device(name, keep=keep and is_phone) for name, is_phone in zip(names, are_phones, strict=True)
    ]


def _complete(target: TargetSettings, device: Device) -> TargetSettings:
    """``target``, with what it leaves open taken from the device's definition."""
    return target.model_copy(
        update={
            "device": on_device(target.device, device.definition),
            "profile": measured_on(target.profile, device.definition),
        }
    )


def _check_distinct(targets: Sequence[TargetSettings]) -> None:
    for number, target in enumerate(targets):
        how = target.device
        if how in [earlier.device for earlier in targets[:number]]:
            raise RecipeError(
                f"other_devices: {how.name} ({how.runtime}, {how.threads} thread(s), {how.precision}) is "
                "named twice: every device needs another name, runtime, number of threads or precision"
            )
