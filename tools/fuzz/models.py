"""Models from outside, each run in a process of its own, which they may end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from fbsearch.devices import find_device
from fbsearch.devices.apart import with_models_apart
from fbsearch.devices.description import RuntimeName
from tools.fuzz.contents import any_bytes
from tools.fuzz.kind import Kind

REPOSITORY = Path(__file__).parents[2]
_EVERY, _MOST_S = 40, 20.0
"""A second or two are a process's start, on a busy computer more."""


def make_models(folder: Path) -> tuple[Kind, ...]:
    """A model of each runtime."""
    return (_model(folder, "tiny.tflite", "tflite"), _model(folder, "tiny.onnx", "onnxruntime"))


def _model(folder: Path, name: str, runtime: RuntimeName) -> Kind:
    path = folder / name
    path.write_bytes((REPOSITORY / "tests/devices/data" / name).read_bytes())
    return Kind(name, path, any_bytes, partial(_run, runtime), every=_EVERY, most_s=_MOST_S)


def _run(runtime: RuntimeName, path: Path) -> None:
    session = with_models_apart(find_device("local")).runner(runtime, threads=1).open(path)
    try:
        session.run(np.zeros((1, *session.input_shape), np.float32))
    finally:
        session.close()
