"""What a network is: operators and architectures, without torch."""

from fbsearch.architecture.architecture import Architecture
from fbsearch.architecture.operator import ACTIVATIONS, Activation, Operator, OperatorKind

__all__ = ["ACTIVATIONS", "Activation", "Architecture", "Operator", "OperatorKind"]
