"""What a network is: operators and architectures, without torch."""

from fbsearch.architecture.architecture import Architecture
from fbsearch.architecture.operator import ACTIVATIONS, MAX_SIZE, Activation, Operator, OperatorKind

__all__ = ["ACTIVATIONS", "MAX_SIZE", "Activation", "Architecture", "Operator", "OperatorKind"]
