"""What an architecture costs, and what a distribution over architectures is expected to cost."""

from fbsearch.costs.architecture import ArchitectureLatency, architecture_latency
from fbsearch.costs.cost import AdditiveCost, Cost, FloatArray, PeakCost
from fbsearch.costs.counting import OperatorCounts, count_architecture, count_operator
from fbsearch.costs.space import (
    file_size_cost,
    latency_cost,
    mac_cost,
    memory_access_cost,
    parameter_cost,
    peak_memory_cost,
)

__all__ = [
    "AdditiveCost",
    "ArchitectureLatency",
    "Cost",
    "FloatArray",
    "OperatorCounts",
    "PeakCost",
    "architecture_latency",
    "count_architecture",
    "count_operator",
    "file_size_cost",
    "latency_cost",
    "mac_cost",
    "memory_access_cost",
    "parameter_cost",
    "peak_memory_cost",
]
