"""Operators, architectures and spaces as torch modules."""

from fbsearch.nn.blocks import ConvNorm, build
from fbsearch.nn.distribution import ArchitectureDistribution, ArchitectureSample, SamplingMode
from fbsearch.nn.network import (
    Network,
    channels_last,
    example_input,
    load_network,
    load_weights,
    save_weights,
)
from fbsearch.nn.supernet import MixedOperation, Supernet, recalibrate_norms

__all__ = [
    "ArchitectureDistribution",
    "ArchitectureSample",
    "ConvNorm",
    "MixedOperation",
    "Network",
    "SamplingMode",
    "Supernet",
    "build",
    "channels_last",
    "example_input",
    "load_network",
    "load_weights",
    "recalibrate_norms",
    "save_weights",
]
