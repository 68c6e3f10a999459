"""What a network is: operators, and graphs of them, without torch."""

from fbsearch.architecture.graph import Architecture
from fbsearch.architecture.node import INPUT, Node
from fbsearch.architecture.operators import (
    ACTIVATIONS,
    MAX_SIZE,
    Activation,
    Operator,
    register,
    registered_kinds,
)
from fbsearch.architecture.shape import Shape

__all__ = [
    "ACTIVATIONS",
    "INPUT",
    "MAX_SIZE",
    "Activation",
    "Architecture",
    "Node",
    "Operator",
    "Shape",
    "register",
    "registered_kinds",
]
