"""Settings of a device where nobody gave others: those of its file."""

from __future__ import annotations

from fbsearch.devices import DeviceDefinition, MeasurementProtocol
from fbsearch.pipeline.recipe import DeviceSettings, ProfileSettings


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
