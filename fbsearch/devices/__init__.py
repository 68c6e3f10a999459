"""Where a model file runs, and how its latency is measured. Needs no torch."""

from fbsearch.devices.apart import RunnerApart, with_models_apart
from fbsearch.devices.definition import AdbDefinition, DeviceDefinition, LocalDefinition
from fbsearch.devices.description import DeviceDescription, RuntimeDescription, RuntimeName
from fbsearch.devices.finding import DeviceListing, find_definition, find_device, list_devices
from fbsearch.devices.local import LocalDevice
from fbsearch.devices.log import Event, MeasurementLog, ModelRound, SentinelReading
from fbsearch.devices.measurement import Measurement
from fbsearch.devices.measuring import measure
from fbsearch.devices.protocol import PHONE_PROTOCOL, MeasurementProtocol
from fbsearch.devices.runner import (
    FORMAT_RUNTIMES,
    RUNTIME_FORMATS,
    Device,
    InProcessRunner,
    Runner,
    Session,
)
from fbsearch.precision import Precision

__all__ = [
    "FORMAT_RUNTIMES",
    "PHONE_PROTOCOL",
    "RUNTIME_FORMATS",
    "AdbDefinition",
    "Device",
    "DeviceDefinition",
    "DeviceDescription",
    "DeviceListing",
    "Event",
    "InProcessRunner",
    "LocalDefinition",
    "LocalDevice",
    "Measurement",
    "MeasurementLog",
    "MeasurementProtocol",
    "ModelRound",
    "Precision",
    "Runner",
    "RunnerApart",
    "RuntimeDescription",
    "RuntimeName",
    "SentinelReading",
    "Session",
    "find_definition",
    "find_device",
    "list_devices",
    "measure",
    "with_models_apart",
]
