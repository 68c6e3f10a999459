"""ONNX Runtime on this computer."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fbsearch.devices.description import RuntimeDescription
from fbsearch.devices.runner import InProcessRunner
from fbsearch.devices.tensors import check_inputs, random_input, static_shape
from fbsearch.devices.timing import time_invocations
from fbsearch.errors import DependencyError, MeasurementError, UnreadableFileError
from fbsearch.files import MODEL_BYTES, read_bytes
from fbsearch.precision import Precision

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}
_PROVIDER = "CPUExecutionProvider"


class OnnxRuntimeRunner(InProcessRunner):
    """ONNX Runtime's CPU provider: sequential, all graph optimisations.

    With several threads, idle ones sleep instead of spinning, so that they do not compete with the
    next model's; denormals count as zero, since random weights can produce them and they are slow. ONNX
    Runtime sets that on the thread that makes a session, for good, so sessions have a thread of their own:
    the arithmetic of this one, a training's for example, stays as it was.

    Args:
        threads: threads within one operator.
        precision: of the models, for the record.

    Raises:
        DependencyError: if ONNX Runtime is not installed.
    """

    def __init__(self, *, threads: int, precision: Precision = "fp32") -> None:
        try:
            self._ort: Any = importlib.import_module("onnxruntime")
        except ModuleNotFoundError:
            raise DependencyError("ONNX Runtime is not installed: pip install onnxruntime") from None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="onnxruntime")
        self._entries = {"session.set_denormal_as_zero": "1"}
        if threads > 1:
            self._entries["session.intra_op.allow_spinning"] = "0"
        self._description = RuntimeDescription(
            name="onnxruntime",
            package="onnxruntime",
            version=metadata.version("onnxruntime"),
            threads=threads,
            precision=precision,
            delegate=_PROVIDER,
            options={
                "graph_optimization_level": "ORT_ENABLE_ALL",
                "execution_mode": "ORT_SEQUENTIAL",
                "inter_op_num_threads": "1",
                **self._entries,
            },
        )

    @property
    def description(self) -> RuntimeDescription:
        """The version, threads and session options."""
        return self._description

    def open(self, model: Path) -> OnnxRuntimeSession:
        """Load an ``.onnx`` file.

        Raises:
            MeasurementError: if it cannot be read or is no ONNX model.
        """
        return self._thread.submit(self._open, model).result()

    def _open(self, model: Path) -> OnnxRuntimeSession:
        try:
            content = read_bytes(model, most_bytes=MODEL_BYTES)
        except UnreadableFileError as error:
            raise MeasurementError(f"{model}: cannot read the model: {error}") from None
        try:
            session = self._ort.InferenceSession(content, self._options(), providers=[_PROVIDER])
        except Exception as error:  # its errors derive from Exception directly, one class per status
            raise MeasurementError(
                f"{model}: ONNX Runtime does not take this model: {_reason(error)}"
            ) from None
        return OnnxRuntimeSession(self._ort, session, model, self._thread)

    def _options(self) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self._description.threads
        options.inter_op_num_threads = 1
        options.execution_mode = self._ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4  # what fails raises; its log lines would only repeat it
        for name, value in self._entries.items():
            options.add_session_config_entry(name, value)
        return options


class OnnxRuntimeSession:
    """One model in one session; made by :meth:`OnnxRuntimeRunner.open`."""

    def __init__(self, ort: Any, session: Any, model: Path, thread: ThreadPoolExecutor) -> None:
        self._ort = ort
        self._thread = thread
        self._session = session
        self._model = model
        declared = session.get_inputs()
        self._shape = static_shape(declared[0].shape, model)
        self._feeds = {
            one.name: random_input(static_shape(one.shape, model), self._dtype(one)) for one in declared
        }
        self._binding = self._bind()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``C x H x W``."""
        return self._shape[1:]

    @property
    def input_name(self) -> str:
        """What the model calls its input."""
        return str(next(iter(self._feeds)))

    def invoke(self, count: int) -> list[float]:
        """Latencies of ``count`` runs in microseconds; inputs and outputs stay where they are."""
        run, binding = self._session.run_with_iobinding, self._binding
        try:
            return self._thread.submit(time_invocations, lambda: run(binding), count).result()
        except Exception as error:  # as in OnnxRuntimeRunner.open
            raise MeasurementError(f"{self._model}: does not run: {_reason(error)}") from None

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs ``N x ...`` of inputs ``N x C x H x W``."""
        check_inputs(inputs, self.input_shape, self._model)
        return self._thread.submit(self._run, inputs).result()

    def _run(self, inputs: np.ndarray) -> np.ndarray:
        name, feeds = self.input_name, dict(self._feeds)
        outputs = []
        for one in inputs:
            feeds[name] = one[np.newaxis].astype(self._feeds[name].dtype)
            try:
                outputs.append(self._session.run(None, feeds)[0])
            except Exception as error:  # as in OnnxRuntimeRunner.open
                raise MeasurementError(f"{self._model}: does not run: {_reason(error)}") from None
        return np.concatenate(outputs)

    def close(self) -> None:
        """Drop the session."""
        self._session = self._binding = None

    def _dtype(self, declared: Any) -> np.dtype:
        if declared.type not in _DTYPES:
            raise MeasurementError(
                f"{self._model}: input {declared.name!r} is a {declared.type}; "
                f"allowed are {', '.join(_DTYPES)}"
            )
        return np.dtype(_DTYPES[declared.type])

    def _bind(self) -> Any:
        """Inputs bound to memory that ONNX Runtime holds, so that a run copies nothing."""
        binding = self._session.io_binding()
        for name, value in self._feeds.items():
            binding.bind_ortvalue_input(name, self._ort.OrtValue.ortvalue_from_numpy(value))
        for output in self._session.get_outputs():
            binding.bind_output(output.name)
        return binding


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
