"""Measuring models on a phone: one launch of a benchmark binary is one round."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fbsearch.devices.adb.launching import (
    BenchmarkModel,
    Launcher,
    LaunchLog,
    PerfTest,
    launch_latency_us,
)
from fbsearch.devices.adb.phone import Phone, Upload
from fbsearch.devices.adb.readings import Conditions
from fbsearch.devices.adb.upkeep import FixedPerformanceMode, held_back, restore_after_a_crash
from fbsearch.devices.description import RuntimeDescription
from fbsearch.devices.runner import RUNTIME_FORMATS, Session
from fbsearch.devices.tensors import check_inputs
from fbsearch.devices.tflite import TFLiteSession
from fbsearch.errors import DeviceError, MeasurementError

if TYPE_CHECKING:
    from fbsearch.devices.adb.device import AdbDevice

_INPUT, _OUTPUT = "input.bin", "output.bin"

_log = logging.getLogger(__name__)


class PhoneRunner:
    """A runtime on a phone.

    Args:
        device: the phone.
        description: of the runtime.
        tool: the benchmark binary that stands for the runtime.
        binary: its file here, by its name there.
    """

    is_elsewhere = True

    def __init__(
        self,
        device: AdbDevice,
        description: RuntimeDescription,
        tool: BenchmarkModel | PerfTest,
        binary: Path,
    ) -> None:
        self._device = device
        self._description = description
        self._tool = tool
        self._binary = binary
        self._active: _Active | None = None
        self._is_held_back = False

    @property
    def description(self) -> RuntimeDescription:
        """The binary, its hash, the cores and the threads."""
        return self._description

    @contextmanager
    def measuring(self, launches: Path | None = None) -> Iterator[None]:
        """Connect, bring the binary, switch on fixed-performance mode; at the end undo all of it."""
        assert self._active is None, "measuring does not nest"
        definition, log = self._device.definition, LaunchLog(launches)
        with ExitStack() as stack:
            phone = stack.enter_context(self._device.connected(exclusively=True))
            readings = self._device.readings()
            can_hash = "sha256sum" in readings.tools
            launcher = Launcher(phone, self._tool, log, max_launch_s=definition.max_launch_s)
            mode = FixedPerformanceMode(readings)
            launcher.kill_leftover()  # of a run that was killed, else it would disturb this one
            restore_after_a_crash(phone)
            stack.callback(_tidy_up, lambda: self._undo(phone, launcher, mode))
            phone.upload({self._tool.binary: Upload(self._binary, is_executable=True)}, can_hash=can_hash)
            if definition.fixed_performance_mode:
                mode.enter(phone)
                self._device.on_reconnected(mode.enter_again)
            start = phone.conditions()
            log.add({"start": asdict(start), "fixed_performance_mode": mode.is_on})
            self._active = _Active(phone, launcher, log, start, can_hash)
            try:
                yield
            finally:
                self._active = None

    def prepare(self, models: Sequence[Path]) -> None:
        """Push those that are not there yet."""
        uploads = {}
        for model in models:
            upload = Upload(model)
            uploads[self._name_there(model, upload)] = upload
        self._bring(uploads)

    def throttling(self) -> str | None:
        """From its thermal status, its battery's temperature and its clocks' caps."""
        active = self._on()
        now = active.phone.conditions()
        reason = held_back(now, active.start, self._device.definition)
        active.log.add({"conditions": asdict(now), "held_back": reason})
        if reason is not None and not self._is_held_back:
            _log.warning(
                "device %r is held back: %s; what is measured meanwhile is measured again",
                self._device.name,
                reason,
            )
        self._is_held_back = reason is not None
        return reason

    def open(self, model: Path) -> PhoneSession:
        """Bring a model there.

        Raises:
            DeviceError: if it cannot be brought.
        """
        active = self._on()
        upload = Upload(model)
        name = self._name_there(model, upload)
        self._bring({name: upload})
        return PhoneSession(active.phone, active.launcher, self._tool, model, name)

    def _undo(self, phone: Phone, launcher: Launcher, mode: FixedPerformanceMode) -> None:
        """Leave the phone as it was found; where that fails, the marker in our folder stays for the next."""
        launcher.kill_leftover()
        mode.leave(phone)
        if not self._device.definition.keep:
            phone.remove_folder()

    def _bring(self, files: Mapping[str, Upload]) -> None:
        """Upload what was not uploaded since measuring began."""
        active = self._on()
        new = {name: upload for name, upload in files.items() if name not in active.there}
        if new:
            active.phone.upload(new, can_hash=active.can_hash)
            active.there.update(new)

    def _name_there(self, model: Path, upload: Upload) -> str:
        return f"{upload.sha256[:16]}.{RUNTIME_FORMATS[self._description.name]}"

    def _on(self) -> _Active:
        assert self._active is not None, "a phone's models run within measuring()"
        return self._active


@dataclass(frozen=True)
class _Active:
    """What there is while measuring."""

    phone: Phone
    launcher: Launcher
    log: LaunchLog
    start: Conditions
    can_hash: bool
    there: set[str] = field(default_factory=set)


class PhoneSession:
    """One model on a phone; made by :meth:`PhoneRunner.open`."""

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
        session = _here(self._model)
        try:
            return session.input_shape
        finally:
            session.close()

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
        session = _here(self._model)
        assert isinstance(session, TFLiteSession)
        try:
            check_inputs(inputs, session.input_shape, self._model)
            shape, input_name = session.run(inputs[:1]).shape[1:], session.input_name
        finally:
            session.close()
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


def _tidy_up(call: Callable[[], None]) -> None:
    """``call``; a phone that is gone must not hide why measuring ended."""
    try:
        call()
    except DeviceError as error:
        _log.warning("could not tidy up on the phone (%s); the next run there will", error)


def _here(model: Path) -> Session:
    """The model in this computer's interpreter."""
    from fbsearch.devices.local import LocalDevice  # only here: a phone is measured without an interpreter

    runtimes = {suffix: runtime for runtime, suffix in RUNTIME_FORMATS.items()}
    runtime = runtimes.get(model.suffix.removeprefix("."))  # type: ignore[call-overload]
    if runtime is None:
        raise DeviceError(f"{model}: neither a .tflite nor an .onnx file")
    return LocalDevice().runner(runtime, threads=1).open(model)
