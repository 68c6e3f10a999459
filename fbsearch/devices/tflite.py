"""TFLite on this computer."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
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

_PACKAGES = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}


class TFLiteRunner(InProcessRunner):
    """The TFLite interpreter with its default delegate: XNNPACK, where it takes the operators.

    Args:
        threads: threads within one operator.
        precision: of the models, for the record.

    Raises:
        DependencyError: if no interpreter is installed.
    """

    def __init__(self, *, threads: int, precision: Precision = "fp32") -> None:
        package, self._interpreter_class = _find_interpreter()
        self._description = RuntimeDescription(
            name="tflite",
            package=package,
            version=metadata.version(package),
            threads=threads,
            precision=precision,
            delegate="XNNPACK (default)",
        )

    @property
    def description(self) -> RuntimeDescription:
        """The interpreter's package, version and threads."""
        return self._description

    def open(self, model: Path) -> TFLiteSession:
        """Load a ``.tflite`` file.

        Raises:
            MeasurementError: if it cannot be read or is no TFLite model.
        """
        try:
            content = read_bytes(model, most_bytes=MODEL_BYTES)
        except UnreadableFileError as error:
            raise MeasurementError(f"{model}: cannot read the model: {error}") from None
        try:
            with _quiet_stderr():
                interpreter = self._interpreter_class(
                    model_content=content, num_threads=self._description.threads
                )
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(f"{model}: TFLite does not take this model: {reason}") from None
        return TFLiteSession(interpreter, model)


class TFLiteSession:
    """One model in one interpreter; made by :meth:`TFLiteRunner.open`."""

    def __init__(self, interpreter: Any, model: Path) -> None:
        self._interpreter = interpreter
        self._model = model
        details = interpreter.get_input_details()
        self._shape = static_shape(details[0]["shape"].tolist(), model)
        self._input, self._dtype = details[0]["index"], np.dtype(details[0]["dtype"])
        self._input_name = str(details[0]["name"])
        self._output = interpreter.get_output_details()[0]["index"]
        for detail in details:
            interpreter.set_tensor(detail["index"], random_input(detail["shape"], np.dtype(detail["dtype"])))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``H x W x C``."""
        return self._shape[1:]

    @property
    def input_name(self) -> str:
        """What the model calls its input."""
        return self._input_name

    def invoke(self, count: int) -> list[float]:
        """Latencies of ``count`` invocations in microseconds."""
        try:
            return time_invocations(self._interpreter.invoke, count)
        except (ValueError, RuntimeError) as error:
            raise MeasurementError(f"{self._model}: does not run: {' '.join(str(error).split())}") from None

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs ``N x ...`` of inputs ``N x H x W x C``."""
        check_inputs(inputs, self.input_shape, self._model)
        outputs = []
        for one in inputs:
            self._interpreter.set_tensor(self._input, one[np.newaxis].astype(self._dtype, copy=False))
            self.invoke(1)
            outputs.append(self._interpreter.get_tensor(self._output))
        return np.concatenate(outputs)

    def close(self) -> None:
        """Drop the interpreter."""
        self._interpreter = None


def _find_interpreter() -> tuple[str, Any]:
    """The package that provides an interpreter, and its class."""
    for package, module in _PACKAGES.items():
        interpreter = _interpreter_class(module)
        if interpreter is not None:
            return package, interpreter
    raise DependencyError(
        "no TFLite interpreter is installed: pip install ai-edge-litert (or tflite-runtime)"
    )


def _interpreter_class(module: str) -> Any | None:
    """The interpreter of a module, or None where its package is not installed."""
    try:
        return importlib.import_module(module).Interpreter
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the package is there but one that it needs is not: its own message says which
        return None


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep the native code's greeting off the screen: it writes to the file descriptor, unasked."""
    try:
        saved = os.dup(2)
    except OSError:  # started without standard error: nothing to keep quiet
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
