"""The costs of a layer-wise space: latency from a table, and what can be counted without a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fbsearch.architecture import Operator
from fbsearch.costs.cost import AdditiveCost, FloatArray, PeakCost
from fbsearch.costs.counting import count_operator
from fbsearch.latency import LatencyTable
from fbsearch.spaces import LayerwiseSpace

# What a model file holds beside its weights, per operator: names, shapes and buffers of the graph. The upper
# end of what exported networks of the layer-wise spaces showed (TFLite 3.0 to 4.7 kB, ONNX 6.3 to 7.9 kB).
_GRAPH_BYTES = {"tflite": 5_000, "onnx": 8_000}
_BYTES_PER_PARAMETER = {"fp32": 4, "fp16": 2, "int8": 1}

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
    calibration = table.calibration
    if calibration is not None and not plain and calibration.matches(space):
        label = f"calibrated with {len(calibration.networks)} whole networks"
        return AdditiveCost("latency_us", calibration.fixed_us, calibration.candidates_us, label)
    alone = _additive("latency_us", space, table.latency_us)
    label = PLAIN_LABEL
    if calibration is not None and not plain:
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
        precision: of the weights: ``fp32``, ``fp16`` or ``int8``.
    """
    graph_bytes, bytes_per_parameter = _GRAPH_BYTES[model_format], _BYTES_PER_PARAMETER[precision]

    def file_bytes(op: Operator) -> float:
        return 0.0 if op.is_identity else graph_bytes + bytes_per_parameter * count_operator(op).num_params

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
