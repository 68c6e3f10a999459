"""What a device offers: runners that open model files as sessions that can be timed.

Nothing above this module knows how an invocation happens: in this process, or by launching a binary
on a phone. A session may answer a request for n invocations with fewer values (a launch of a tool
that prints only a summary gives one), so callers take what comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from fbsearch.devices.description import DeviceDescription, Precision, RuntimeDescription, RuntimeName

RUNTIME_FORMATS: dict[RuntimeName, Literal["tflite", "onnx"]] = {"tflite": "tflite", "onnxruntime": "onnx"}
"""The model format that each runtime reads; also the suffix of its files."""


class Session(Protocol):
    """One model, ready to run."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch dimension."""
        ...

    def invoke(self, count: int) -> list[float]:
        """Run the model about ``count`` times on one fixed random input.

        Returns:
            Latencies in microseconds, at least one; nothing but the inference is timed.

        Raises:
            MeasurementError: if the model does not run.
        """
        ...

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """The model's first output for inputs ``N x input_shape``, one by one: ``N x ...``.

        Raises:
            MeasurementError: if the inputs have another shape or the model does not run.
        """
        ...

    def close(self) -> None:
        """Free what the model holds; the session is of no use afterwards."""
        ...


class Runner(Protocol):
    """A runtime on a device, with its settings fixed."""

    @property
    def description(self) -> RuntimeDescription:
        """The runtime and its settings."""
        ...

    def open(self, model: Path) -> Session:
        """Load a model file.

        Raises:
            MeasurementError: if the file cannot be read or the runtime does not take it.
        """
        ...


class Device(Protocol):
    """A machine on which models are measured."""

    @property
    def name(self) -> str:
        """How people call it; part of file names."""
        ...

    def describe(self) -> DeviceDescription:
        """What the device tells about itself, read now.

        Raises:
            DeviceError: if it cannot be reached.
        """
        ...

    def runner(self, runtime: RuntimeName, *, threads: int, precision: Precision = "fp32") -> Runner:
        """A runtime of the device.

        Raises:
            DeviceError: if the device does not offer it as asked.
            DependencyError: if the runtime's package is missing.
        """
        ...
