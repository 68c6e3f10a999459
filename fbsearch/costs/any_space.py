"""Costs of any space: tabulated where its decisions are independent, else asked of each architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fbsearch.architecture import Architecture
from fbsearch.costs.architecture import architecture_latency
from fbsearch.costs.cost import Cost
from fbsearch.costs.counting import count_architecture, count_layers
from fbsearch.costs.space import (
    file_bytes,
    file_size_cost,
    latency_cost,
    layer_cost,
    mac_cost,
    parameter_cost,
    peak_memory_cost,
)
from fbsearch.latency import LatencyTable
from fbsearch.spaces import FactoredSpace, Space

Quantity = Literal["num_params", "num_macs", "num_layers", "peak_bytes"]
_TABULATING: dict[Quantity, Callable[[FactoredSpace], Cost]] = {
    "num_params": parameter_cost,
    "num_macs": mac_cost,
    "num_layers": layer_cost,
    "peak_bytes": peak_memory_cost,
}

ModelKind = tuple[Literal["tflite", "onnx"], str]
"""Format and precision of a model file."""


@dataclass(frozen=True, eq=False)
class ArchitectureCost:
    """A cost of each architecture by itself.

    Args:
        name: the quantity with its unit.
        space: whose codes are asked.
        measure: an architecture to its cost.
        label: where the numbers come from, in words, if there is a choice.
    """

    name: str
    space: Space
    measure: Callable[[Architecture], float]
    label: str = ""

    def of(self, code: Sequence[int]) -> float:
        """The cost of the architecture at ``code``."""
        return self.measure(self.space.decode(code))

    def plus(self, value: float) -> ArchitectureCost:
        """The same with a constant more for every architecture."""
        return replace(self, measure=lambda architecture: self.measure(architecture) + value)


def latency_in(space: Space, table: LatencyTable, *, plain: bool = False) -> Cost:
    """Latency in microseconds, see :func:`fbsearch.costs.latency_cost`.

    Args:
        space: to be priced.
        table: that holds its operators; of an open space, those of the architectures that will be asked for.
        plain: take the operators as measured alone whatever else the table holds.

    Raises:
        TableError: if the table is of another space or lacks an operator.
    """
    if isinstance(space, FactoredSpace):
        return latency_cost(space, table, plain=plain)
    latency = architecture_latency(space, table, plain=plain)
    return ArchitectureCost(latency.name, space, latency.of, latency.label)


def count_in(space: Space, quantity: Quantity) -> Cost:
    """What is counted on the operators: parameters, multiply-adds, layers, or peak memory in bytes."""
    if isinstance(space, FactoredSpace):
        return _TABULATING[quantity](space)
    return ArchitectureCost(quantity, space, lambda one: count_quantity(one, quantity))


def count_quantity(architecture: Architecture, quantity: Quantity) -> float:
    """What one architecture counts."""
    if quantity == "num_layers":
        return float(count_layers(architecture))
    return float(getattr(count_architecture(architecture), quantity))


def file_size_in(space: Space, models: Iterable[ModelKind]) -> Cost:
    """The size of an architecture's largest file, or an upper bound of it."""
    kinds = tuple(dict.fromkeys(models))
    if not isinstance(space, FactoredSpace):
        return ArchitectureCost("file_bytes", space, lambda one: _largest_file_bytes(one, kinds))
    costs = [file_size_cost(space, model_format=model_format, precision=how) for model_format, how in kinds]
    return replace(
        costs[0],
        fixed=max(cost.fixed for cost in costs),
        coefficients=np.maximum.reduce([cost.coefficients for cost in costs]),
    )


def _largest_file_bytes(architecture: Architecture, kinds: Iterable[ModelKind]) -> float:
    return max(
        sum(file_bytes(op, model_format, precision) for op in architecture.operators())
        for model_format, precision in kinds
    )
