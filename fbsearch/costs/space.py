"""The costs of a layer-wise space: latency from a table, and what can be counted without a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.costs.cost import AdditiveCost, FloatArray, PeakCost
from fbsearch.costs.counting import count_operator
from fbsearch.latency import LatencyTable
from fbsearch.spaces import LayerwiseSpace


@dataclass(frozen=True)
class _FileBytes:
    """What a model file holds, in bytes: the upper end of what exported networks of the presets showed.

    Args:
        kernel: of each parameter in a kernel.
        channel: of each other parameter; quantised models keep scales and zero points there, and wide biases.
        graph: of each operator, by format: names, shapes and buffers.
    """

    kernel: int
    channel: int
    graph: Mapping[str, int]


_FILE_BYTES = {
    "fp32": _FileBytes(4, 4, {"tflite": 5_000, "onnx": 8_000}),
    "fp16": _FileBytes(2, 4, {"tflite": 6_000, "onnx": 9_000}),
    "dynamic_int8": _FileBytes(1, 12, {"tflite": 6_500, "onnx": 8_000}),
    "int8": _FileBytes(1, 16, {"tflite": 8_000, "onnx": 11_000}),
}

PLAIN_LABEL = "plain sums of isolated operators"


def latency_cost(
    space: LayerwiseSpace,
    table: LatencyTable,
    *,
    plain: bool = False,
) -> AdditiveCost:
    """Latency in microseconds: calibrated with whole networks where the table is, else the plain sum.

    The cost's ``label`` says which.

    Args:
        space: to be priced.
        table: that holds its operators.
        plain: take the operators as measured alone whatever else the table holds.

    Raises:
        TableError: if the table is of another space or lacks an operator.
    """
    table.check_space(space)
    calibration = None if plain else table.calibration_for(space)
    if calibration is not None:
        label = f"calibrated with {len(calibration.networks)} whole networks"
        return AdditiveCost("latency_us", calibration.fixed_us, calibration.candidates_us, label)
    alone = _additive("latency_us", space, table.latency_us)
    label = PLAIN_LABEL
    if table.calibration is not None and not plain:
        label += ", since the table's calibration is of another space"
    return replace(alone, label=label)


def parameter_cost(space: LayerwiseSpace) -> AdditiveCost:
    """Number of parameters."""
    return _additive("num_params", space, lambda op: count_operator(op).num_params)


def mac_cost(space: LayerwiseSpace) -> AdditiveCost:
    """Number of multiply-adds."""
    return _additive("num_macs", space, lambda op: count_operator(op).num_macs)


def memory_access_cost(space: LayerwiseSpace) -> AdditiveCost:
    """Elements read and written by convolutions and linear layers."""
    return _additive("memory_access", space, lambda op: count_operator(op).memory_access)


def peak_memory_cost(space: LayerwiseSpace) -> PeakCost:
    """Largest activation memory in bytes at batch 1, fp32."""

    def peak_bytes(op: Operator) -> float:
        return count_operator(op).peak_bytes

    fixed = max(map(peak_bytes, (*space.stem, *space.head)))
    return PeakCost("peak_bytes", fixed, _coefficients(space, peak_bytes))


def file_size_cost(
    space: LayerwiseSpace, *, model_format: Literal["tflite", "onnx"], precision: str
) -> AdditiveCost:
    """Size of the exported model in bytes, an estimate: parameters in their precision, and the graph's part.

    Args:
        space: to be priced.
        model_format: of the file.
        precision: of the weights: ``fp32``, ``fp16``, ``dynamic_int8`` or ``int8``.
    """
    sizes = _FILE_BYTES[precision]

    def file_bytes(op: Operator) -> float:
        if op.is_identity:
            return 0.0
        counts = count_operator(op)
        per_channel = counts.num_params - counts.num_kernel_params
        kernels = sizes.kernel * counts.num_kernel_params
        return kernels + sizes.channel * per_channel + sizes.graph[model_format]

    return _additive("file_bytes", space, file_bytes)


def _additive(name: str, space: LayerwiseSpace, cost: Callable[[Operator], float]) -> AdditiveCost:
    fixed = float(sum(cost(op) for op in (*space.stem, *space.head)))
    return AdditiveCost(name, fixed, _coefficients(space, cost))


def _coefficients(space: LayerwiseSpace, cost: Callable[[Operator], float]) -> FloatArray:
    """``S x C``, padded with NaN."""
    rows: Sequence[Sequence[float]] = [[cost(op) for op in slot.candidates] for slot in space.slots]
    coefficients = np.full((space.num_slots, space.max_candidates), np.nan)
    for index, row in enumerate(rows):
        coefficients[index, : len(row)] = row
    return coefficients
