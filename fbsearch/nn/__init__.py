"""Operators and architectures as torch modules."""

from fbsearch.nn.blocks import build
from fbsearch.nn.network import Network, example_input, load_network, load_weights, save_weights

__all__ = ["Network", "build", "example_input", "load_network", "load_weights", "save_weights"]
