"""Settings of a device where nobody gave others: those of its file."""

from __future__ import annotations

from typing import get_args

from fbsearch.devices import DeviceDefinition, MeasurementProtocol, RuntimeName
from fbsearch.errors import InvalidInputError
from fbsearch.pipeline.recipe.settings import DeviceSettings, ProfileSettings
from fbsearch.precision import PRECISIONS, Precision


def given_settings(
    name: str, runtime: str | None, threads: int | None, precision: str | None = None
) -> DeviceSettings:
    """What the command line says of a device; its definition completes it.

    Raises:
        InvalidInputError: if there is no such runtime or precision.
    """
    if runtime is not None and runtime not in get_args(RuntimeName):
        raise InvalidInputError(f"--runtime {runtime!r}: allowed are {', '.join(get_args(RuntimeName))}")
    checked = None if precision is None else checked_precision(precision)
    given = {"runtime": runtime, "threads": threads, "precision": checked}
    return DeviceSettings.model_validate({"name": name} | {k: v for k, v in given.items() if v is not None})


def checked_precision(name: str) -> Precision:
    """The precision that ``--precision`` names.

    Raises:
        InvalidInputError: if there is none of that name.
    """
    for precision in PRECISIONS:
        if name == precision:
            return precision
    raise InvalidInputError(f"--precision {name!r}: allowed are {', '.join(PRECISIONS)}")


def on_device(settings: DeviceSettings, definition: DeviceDefinition) -> DeviceSettings:
    """``settings``, with what they leave open taken from the device's definition."""
    left_open = {"runtime", "threads", "precision"} - settings.model_fields_set
    return settings.model_copy(update={name: getattr(definition, name) for name in left_open})


def measured_on(settings: ProfileSettings, definition: DeviceDefinition) -> ProfileSettings:
    """``settings``, with what they leave open of the protocol taken from the device's definition."""
    given = (
        settings.protocol.model_dump(exclude_unset=True) if "protocol" in settings.model_fields_set else {}
    )
    protocol = MeasurementProtocol.model_validate({**definition.protocol.model_dump(), **given})
    return settings.model_copy(update={"protocol": protocol})
