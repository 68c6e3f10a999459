"""Which runtime measures, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.devices.description import RuntimeDescription, RuntimeName
from fbsearch.devices.runner import Device, Runner
from fbsearch.precision import Precision


@dataclass(frozen=True)
class RuntimeChoice:
    """What runs the models, and how.

    Args:
        runtime: its name.
        threads: within one operator.
        precision: of weights and activations.
    """

    runtime: RuntimeName = "tflite"
    threads: int = 1
    precision: Precision = "fp32"

    def on(self, device: Device) -> Runner:
        """Runs models so on a device.

        Raises:
            DeviceError: if the device or its runtime cannot be used.
        """
        return device.runner(self.runtime, threads=self.threads, precision=self.precision)

    @staticmethod
    def of(description: RuntimeDescription) -> RuntimeChoice:
        """What a table was measured with."""
        return RuntimeChoice(description.name, description.threads, description.precision)


TFLITE = RuntimeChoice()
"""TFLite with one thread in fp32."""
