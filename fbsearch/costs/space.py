"""The costs of a factored space by decision and candidate: latency from a table, and what can be counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fbsearch.architecture import Node, Operator
from fbsearch.costs.architecture import latency_label
from fbsearch.costs.cost import AdditiveCost, FloatArray, PeakCost
from fbsearch.costs.counting import count_operator, is_layer, waiting_bytes
from fbsearch.latency import LatencyTable
from fbsearch.spaces import FactoredSpace


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


def latency_cost(
    space: FactoredSpace,
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
    label = latency_label(space, table, plain=plain)
    calibration = None if plain else table.calibration_for(space)
    if calibration is not None:
        return AdditiveCost("latency_us", calibration.fixed_us, calibration.latencies_us(space), label)
    return replace(_additive("latency_us", space, table.latency_us), label=label)


def parameter_cost(space: FactoredSpace) -> AdditiveCost:
    """Number of parameters."""
    return _additive("num_params", space, lambda op: count_operator(op).num_params)


def mac_cost(space: FactoredSpace) -> AdditiveCost:
    """Number of multiply-adds."""
    return _additive("num_macs", space, lambda op: count_operator(op).num_macs)


def layer_cost(space: FactoredSpace) -> AdditiveCost:
    """Number of layers: blocks and convolutions that are not left out."""
    return _additive("num_layers", space, lambda op: float(is_layer(op)))


def memory_access_cost(space: FactoredSpace) -> AdditiveCost:
    """Elements read and written by convolutions and linear layers."""
    return _additive("memory_access", space, lambda op: count_operator(op).memory_access)


def peak_memory_cost(space: FactoredSpace) -> PeakCost:
    """Largest activation memory in bytes at batch 1, fp32.

    All candidates of a decision give outputs of one shape, so what waits while one of them computes does not
    depend on
    the others; where candidates take different inputs, whatever one of them may take is waited with.
    """

    nodes: dict[str, tuple[Node, ...]] = {node.name: (node,) for node in space.fixed}
    nodes |= {place: decision.at(place) for decision in space.decisions for place in decision.places}
    waiting = waiting_bytes({name: nodes[name] for name in space.order})

    def peak_bytes(node: Node) -> float:
        return count_operator(node.operator).peak_bytes + waiting[node.name]

    fixed = max(map(peak_bytes, space.fixed))
    return PeakCost("peak_bytes", fixed, _coefficients(space, lambda nodes: max(map(peak_bytes, nodes))))


def file_size_cost(
    space: FactoredSpace, *, model_format: Literal["tflite", "onnx"], precision: str
) -> AdditiveCost:
    """Size of the exported model in bytes, an estimate: parameters in their precision, and the graph's part.

    Args:
        space: to be priced.
        model_format: of the file.
        precision: of the weights: ``fp32``, ``fp16``, ``dynamic_int8`` or ``int8``.
    """
    return _additive("file_bytes", space, lambda op: file_bytes(op, model_format, precision))


def file_bytes(op: Operator, model_format: Literal["tflite", "onnx"], precision: str) -> float:
    """An operator's share in the size of a model file, in bytes; see :func:`file_size_cost`."""
    if op.is_free:
        return 0.0
    sizes, counts = _FILE_BYTES[precision], count_operator(op)
    per_channel = counts.num_params - counts.num_kernel_params
    kernels = sizes.kernel * counts.num_kernel_params
    return kernels + sizes.channel * per_channel + sizes.graph[model_format]


def _additive(name: str, space: FactoredSpace, cost: Callable[[Operator], float]) -> AdditiveCost:
    def total(nodes: Iterable[Node]) -> float:
        return float(sum(cost(node.operator) for node in nodes))

    return AdditiveCost(name, total(space.fixed), _coefficients(space, total))


def _coefficients(space: FactoredSpace, cost: Callable[[tuple[Node, ...]], float]) -> FloatArray:
    """``S x C``, padded with NaN, from what each candidate puts into the network."""
    rows = [[cost(candidate.nodes) for candidate in decision.candidates] for decision in space.decisions]
    coefficients = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        coefficients[index, : len(row)] = row
    return coefficients
