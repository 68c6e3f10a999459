"""One model on a phone, timed and run there."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from fbsearch.devices.adb.benchmark.launching import BenchmarkModel, Launcher, PerfTest, launch_latency_us
from fbsearch.devices.adb.phone.phone import Phone, Upload
from fbsearch.devices.apart import RunnerApart, SessionApart
from fbsearch.devices.local import LocalDevice
from fbsearch.devices.runner import RUNTIME_FORMATS
from fbsearch.devices.tensors import check_inputs
from fbsearch.errors import DeviceError, MeasurementError

_INPUT, _OUTPUT = "input.bin", "output.bin"


class PhoneSession:
    """One model on a phone; made by :meth:`~fbsearch.devices.adb.device.runner.PhoneRunner.open`."""

    def __init__(
        self, phone: Phone, launcher: Launcher, tool: BenchmarkModel | PerfTest, model: Path, name: str
    ) -> None:
        self._phone = phone
        self._launcher = launcher
        self._tool = tool
        self._model = model
        self._name = name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``H x W x C``, as the file tells it here."""
        with closing(_here(self._model)) as session:
            return session.input_shape

    @property
    def input_name(self) -> str:
        """What the model calls its input, likewise."""
        with closing(_here(self._model)) as session:
            return session.input_name

    def invoke(self, count: int) -> list[float]:
        """One launch of ``count`` timed runs: its median alone, in microseconds."""
        figures = self._launcher.launch(self._name, count, label=self._model.name)
        return [launch_latency_us(figures)]

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs ``N x ...`` of inputs ``N x H x W x C``, one launch each.

        Raises:
            MeasurementError: if the binary cannot take inputs from files, or the model does not run.
        """
        tool = self._tool
        if isinstance(tool, PerfTest):
            raise MeasurementError("onnxruntime_perf_test tells no outputs; verify with TFLite")
        # What the output's shape and the input's name are, the file tells here.
        with closing(_here(self._model)) as session:
            check_inputs(inputs, session.input_shape, self._model)
            shape, input_name = session.run(inputs[:1]).shape[1:], session.input_name
        command = tool.output_command(self._name, input_name, (1, *inputs.shape[1:]), (_INPUT, _OUTPUT))
        return np.stack(
            [
                self._launcher.attempt(self._model.name, partial(self._outputs, command, one, shape))
                for one in inputs
            ]
        )

    def close(self) -> None:
        """The file stays on the phone until measuring ends."""

    def _outputs(self, command: str, one: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        data = np.ascontiguousarray(one, dtype=np.float32)
        self._phone.remove(_OUTPUT)
        self._phone.upload({_INPUT: Upload(data.tobytes())}, can_hash=False)
        stdout, stderr, exit_code = self._launcher.run(command)
        self._tool.figures(self._phone, stdout, stderr, exit_code)
        outputs = np.frombuffer(self._phone.pull(_OUTPUT), dtype=np.float32)
        if outputs.size != int(np.prod(shape)):
            raise MeasurementError(
                f"{self._model.name}: the phone gave {outputs.size} output values, not {int(np.prod(shape))}"
            )
        return outputs.reshape(shape)


def _here(model: Path) -> SessionApart:
    """The model in this computer's interpreter, apart: it may come from outside."""
    runtimes = {suffix: runtime for runtime, suffix in RUNTIME_FORMATS.items()}
    runtime = runtimes.get(model.suffix.removeprefix("."))  # type: ignore[call-overload]
    if runtime is None:
        raise DeviceError(f"{model}: neither a .tflite nor an .onnx file")
    return RunnerApart(LocalDevice().runner(runtime, threads=1)).open(model)
