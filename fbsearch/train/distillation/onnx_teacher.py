"""An ONNX file as a teacher, on the CPU."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbsearch.errors import DependencyError, InvalidInputError, UnreadableFileError
from fbsearch.files import MODEL_BYTES, read_bytes
from fbsearch.train.distillation.lesson import Lesson
from fbsearch.train.distillation.module_teacher import lesson_of

FEATURES = "features"
"""What an output is called that is a feature map; the first output is the class scores."""


class OnnxTeacher:
    """A model in ONNX Runtime.

    Args:
        path: of the file; its first input takes ``B x C x R x R`` images, its first output is the class
            scores, and one called ``features``, if there is one, the map before the global pooling.

    Raises:
        InvalidInputError: if the file cannot be read, or its input is no batch of images.
        DependencyError: if ONNX Runtime is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._session = _open(path)
        declared = self._session.get_inputs()
        if len(declared) != 1 or len(declared[0].shape) != 4 or declared[0].type != "tensor(float)":
            raise InvalidInputError(f"{path}: its input is no float batch of images B x C x H x W")
        self._input = declared[0]
        outputs = [output.name for output in self._session.get_outputs()]
        self._outputs = [outputs[0], *(name for name in outputs[1:] if name == FEATURES)]

    @property
    def resolution(self) -> int | None:
        """Height and width of the input in pixels; None where the model leaves it open."""
        height, width = self._input.shape[2:]
        return height if isinstance(height, int) and height == width else None

    @property
    def num_channels(self) -> int | None:
        """Of the input; None where the model leaves it open."""
        channels = self._input.shape[1]
        return channels if isinstance(channels, int) else None

    def to(self, device: torch.device) -> None:
        """It stays on the CPU."""

    def __call__(self, images: Tensor) -> Lesson:
        """Logits and, where the model has such an output, the feature map."""
        batch = images.detach().cpu().float().contiguous().numpy()
        size = self._input.shape[0]
        pieces = [batch] if not isinstance(size, int) else _pieces(batch, size, self._name)
        ran = [self._run(piece) for piece in pieces]
        outputs = [torch.from_numpy(np.concatenate(one)).to(images.device) for one in zip(*ran, strict=True)]
        return lesson_of((outputs[0], outputs[1] if len(outputs) > 1 else None), self._name)

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        try:
            return list(self._session.run(self._outputs, {self._input.name: batch}))
        except Exception as error:  # its errors derive from Exception directly, one class per status
            raise InvalidInputError(
                f"teacher {self._name} does not take images of shape {batch.shape[1:]}: {_reason(error)}"
            ) from None


def _pieces(batch: np.ndarray, size: int, name: str) -> list[np.ndarray]:
    if len(batch) % size:
        raise InvalidInputError(
            f"teacher {name} takes {size} images at a time: export it for 1, or any number"
        )
    return np.split(batch, len(batch) // size)


def _open(path: Path) -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError:
        raise DependencyError("ONNX Runtime is not installed: pip install onnxruntime") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails raises; its log lines would only repeat it
    try:
        content = read_bytes(path, most_bytes=MODEL_BYTES)
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except UnreadableFileError as error:
        raise InvalidInputError(f"{path}: cannot read an ONNX model: {error}") from None
    except Exception as error:  # as in _run
        raise InvalidInputError(f"{path}: ONNX Runtime does not take this model: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
