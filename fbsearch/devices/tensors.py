"""Inputs of models: random ones for timing, and the check of given ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fbsearch.errors import MeasurementError


def static_shape(shape: Sequence[object], model: Path) -> tuple[int, ...]:
    """A model's input shape ``1 x ...`` as numbers.

    Raises:
        MeasurementError: if it is open or its batch is not 1.
    """
    sizes = tuple(int(size) for size in shape if isinstance(size, (int, np.integer)) and size > 0)
    if len(sizes) != len(shape) or not sizes or sizes[0] != 1:
        raise MeasurementError(
            f"{model}: input shape {list(shape)}; export it with a fixed shape and batch 1"
        )
    return sizes


def random_input(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Standard-normal values (integers: uniform over the type), always the same."""
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, size=tuple(shape), dtype=dtype, endpoint=True)
    return rng.standard_normal(tuple(shape)).astype(dtype)


def check_inputs(inputs: np.ndarray, shape: tuple[int, ...], model: Path) -> None:
    """Refuse inputs other than ``N x shape`` with N of at least 1.

    Raises:
        MeasurementError: naming both shapes.
    """
    if inputs.ndim == 0 or inputs.shape[1:] != shape or not len(inputs):
        wanted = " x ".join(map(str, shape))
        raise MeasurementError(f"{model}: inputs of shape {list(inputs.shape)}; the model takes N x {wanted}")
