"""What an architecture costs, and what a distribution over architectures is expected to cost."""

from fbsearch.costs.any_space import (
    ArchitectureCost,
    ModelKind,
    Quantity,
    count_in,
    count_quantity,
    file_size_in,
    latency_in,
)
from fbsearch.costs.architecture import ArchitectureLatency, architecture_latency
from fbsearch.costs.cost import AdditiveCost, Cost, FloatArray, PeakCost, TabulatedCost, range_of, tabulated
from fbsearch.costs.counting import OperatorCounts, count_architecture, count_layers, count_operator
from fbsearch.costs.estimating import (
    EstimatedLatency,
    EstimatingLatency,
    estimating_latency,
    searchable_latency,
)
from fbsearch.costs.space import (
    file_size_cost,
    latency_cost,
    layer_cost,
    mac_cost,
    memory_access_cost,
    parameter_cost,
    peak_memory_cost,
)

__all__ = [
    "AdditiveCost",
    "ArchitectureCost",
    "ArchitectureLatency",
    "Cost",
    "EstimatedLatency",
    "EstimatingLatency",
    "FloatArray",
    "ModelKind",
    "OperatorCounts",
    "PeakCost",
    "Quantity",
    "TabulatedCost",
    "architecture_latency",
    "count_architecture",
    "count_in",
    "count_layers",
    "count_operator",
    "count_quantity",
    "estimating_latency",
    "file_size_cost",
    "file_size_in",
    "latency_cost",
    "latency_in",
    "layer_cost",
    "mac_cost",
    "memory_access_cost",
    "parameter_cost",
    "peak_memory_cost",
    "range_of",
    "searchable_latency",
    "tabulated",
]
