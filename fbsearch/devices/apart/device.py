"""This computer as a device, each model in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.devices.apart.process import ADVICE, ModelProcess
from fbsearch.devices.definition import DeviceDefinition
from fbsearch.devices.description import DeviceDescription, RuntimeDescription, RuntimeName
from fbsearch.devices.local import LocalDevice
from fbsearch.devices.runner import Device, InProcessRunner, Runner
from fbsearch.devices.tensors import check_inputs
from fbsearch.errors import MeasurementError
from fbsearch.precision import Precision


def with_models_apart(device: Device) -> Device:
    """The device as one for models from outside: where it is this computer, each in a process of its own."""
    return _DeviceApart(device) if isinstance(device, LocalDevice) else device


class _DeviceApart:
    """See :func:`with_models_apart`."""

    def __init__(self, device: LocalDevice) -> None:
        self._device = device

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def definition(self) -> DeviceDefinition:
        return self._device.definition

    def describe(self) -> DeviceDescription:
        return self._device.describe()

    def runner(self, runtime: RuntimeName, *, threads: int, precision: Precision = "fp32") -> Runner:
        return RunnerApart(self._device.runner(runtime, threads=threads, precision=precision))


class RunnerApart(InProcessRunner):
    """A runtime of this computer whose models run in processes of their own.

    Args:
        runner: the same within this process, which tells what it is.
    """

    def __init__(self, runner: Runner) -> None:
        self._description = runner.description

    @property
    def description(self) -> RuntimeDescription:
        """As within this process."""
        return self._description

    def open(self, model: Path) -> SessionApart:
        """Load a model file.

        Raises:
            MeasurementError: if it cannot be read, the runtime does not take it, or crashes.
        """
        runtime, process = self._description, ModelProcess(model)
        how = {"runtime": runtime.name, "threads": runtime.threads, "precision": runtime.precision}
        try:
            answer, _ = process.ask({"do": "open", "model": str(model), **how})
            with _making_sense(model):
                return SessionApart(process, model, answer)
        except BaseException:
            process.close()
            raise


class SessionApart:
    """One model in a process of its own; made by :meth:`RunnerApart.open`."""

    def __init__(self, process: ModelProcess, model: Path, opened: dict[str, Any]) -> None:
        self._process = process
        self._model = model
        self._input_shape = tuple(map(int, opened["input_shape"]))
        self._input_name = str(opened["input_name"])

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def input_shape(self) -> tuple[int, ...]:
        """As within this process."""
        return self._input_shape

    @property
    def input_name(self) -> str:
        """What the model calls its input."""
        return self._input_name

    def invoke(self, count: int) -> list[float]:
        """Latencies of ``count`` invocations in microseconds, as the other process timed them."""
        answer, _ = self._process.ask({"do": "invoke", "count": count})
        with _making_sense(self._model):
            return [float(latency_us) for latency_us in answer["latencies_us"]]

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs ``N x ...`` of inputs ``N x input_shape``, which are sent one by one."""
        check_inputs(inputs, self.input_shape, self._model)
        outputs = [self._process.ask({"do": "run"}, one[np.newaxis])[1] for one in inputs]
        with _making_sense(self._model):
            return np.stack([one.reshape(one.shape[1:]) for one in outputs])

    def close(self) -> None:
        """End the process."""
        self._process.close()


@contextmanager
def _making_sense(model: Path) -> Iterator[None]:
    """A process that a hostile model has taken over answers what it likes."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise MeasurementError(f"{model}: its process answers nonsense; {ADVICE}") from None
