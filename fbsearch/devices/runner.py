"""What a device offers: runners that open model files as sessions that can be timed.

Nothing above this module knows how an invocation happens: in this process, or by launching a binary
on a phone. A session may answer a request for n invocations with fewer values (a launch of a tool
that prints only a summary gives one), so callers take what comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from fbsearch.devices.definition import DeviceDefinition
from fbsearch.devices.description import DeviceDescription, RuntimeDescription, RuntimeName
from fbsearch.errors import DeviceError
from fbsearch.precision import Precision

RUNTIME_FORMATS: dict[RuntimeName, Literal["tflite", "onnx"]] = {"tflite": "tflite", "onnxruntime": "onnx"}
"""The model format that each runtime reads; also the suffix of its files."""

FORMAT_RUNTIMES = {model_format: runtime for runtime, model_format in reversed(RUNTIME_FORMATS.items())}
"""The runtime that runs a format where nobody says which: the first of those that read it."""


class Session(Protocol):
    """One model, ready to run."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch dimension."""
        ...

    @property
    def input_name(self) -> str:
        """What the model calls its input."""
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
    """A runtime on a device, with its settings fixed.

    Models are opened and run within :meth:`measuring`.
    """

    @property
    def description(self) -> RuntimeDescription:
        """The runtime and its settings.

        Raises:
            DeviceError: if the device must tell and cannot be reached.
        """
        ...

    @property
    def is_elsewhere(self) -> bool:
        """Whether models run on another machine: then work on this one does not disturb them."""
        ...

    def measuring(self, launches: Path | None = None) -> AbstractContextManager[None]:
        """The device set up for measuring, and left as it was found.

        Args:
            launches: a file of JSON lines to which the figures of every launch are added, where the device
                launches a tool; None keeps none.

        Raises:
            DeviceError: if it cannot be reached or used.
        """
        ...

    def prepare(self, models: Sequence[Path]) -> None:
        """Bring model files to where they run, all at once.

        Raises:
            DeviceError: if they cannot be brought there.
        """
        ...

    def throttling(self) -> str | None:
        """Why the device is slower now than it could be (heat, a lowered clock); None if it does not tell so.

        Raises:
            DeviceError: if it cannot be reached.
        """
        ...

    def open(self, model: Path) -> Session:
        """Load a model file.

        Raises:
            MeasurementError: if the file cannot be read or the runtime does not take it.
        """
        ...


def check_offered(device: str, runtime: str, *, threads: int, num_cores: int | None) -> None:
    """Refuse a runtime that there is not, or more threads than a device has cores.

    Args:
        device: its name.
        runtime: asked for.
        threads: asked for.
        num_cores: of the device, or None where it does not tell.

    Raises:
        DeviceError: naming what there is.
    """
    if runtime not in RUNTIME_FORMATS:
        raise DeviceError(
            f"no runtime {runtime!r} on device {device!r}; there are {', '.join(RUNTIME_FORMATS)}"
        )
    if threads < 1 or (num_cores is not None and threads > num_cores):
        most = f"has {num_cores} cores; ask for 1 to {num_cores}" if num_cores else "needs at least 1"
        raise DeviceError(f"threads={threads}: device {device!r} {most}")


class InProcessRunner:
    """What runners have in common whose models run in this process: nothing to bring, nothing to set up."""

    is_elsewhere = False

    def measuring(self, launches: Path | None = None) -> AbstractContextManager[None]:
        """Nothing to set up."""
        return nullcontext()

    def prepare(self, models: Sequence[Path]) -> None:
        """The files are where they run."""

    def throttling(self) -> str | None:
        """Left to the sentinel."""
        return None


class Device(Protocol):
    """A machine on which models are measured."""

    @property
    def name(self) -> str:
        """How people call it; part of file names."""
        ...

    @property
    def definition(self) -> DeviceDefinition:
        """How it is reached, and what is used there where nobody says otherwise."""
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
