"""The kinds of operators, each a frozen class, registered by the first word of its key."""

from fbsearch.architecture.operators.classifier import Classifier
from fbsearch.architecture.operators.conv import Conv
from fbsearch.architecture.operators.join import Add, Concat, Zero
from fbsearch.architecture.operators.mbconv import MBConv
from fbsearch.architecture.operators.operator import (
    ACTIVATIONS,
    BYTES_PER_NUMBER,
    MAX_BYTES,
    MAX_SIZE,
    Activation,
    Operator,
    register,
    registered_kinds,
)
from fbsearch.architecture.operators.pool import AvgPool, MaxPool
from fbsearch.architecture.operators.preactivated import (
    AsymConv,
    DilConv,
    FactorisedReduce,
    ReluConv,
    SepConv,
)
from fbsearch.architecture.operators.relu import Relu
from fbsearch.architecture.operators.residual import BasicBlock, Bottleneck
from fbsearch.architecture.operators.skip import Skip
from fbsearch.architecture.operators.zen import ZenBasic, ZenBlock, ZenBottleneck, ZenInverted

__all__ = [
    "ACTIVATIONS",
    "BYTES_PER_NUMBER",
    "MAX_BYTES",
    "MAX_SIZE",
    "Activation",
    "Add",
    "AsymConv",
    "AvgPool",
    "BasicBlock",
    "Bottleneck",
    "Classifier",
    "Concat",
    "Conv",
    "DilConv",
    "FactorisedReduce",
    "MBConv",
    "MaxPool",
    "Operator",
    "Relu",
    "ReluConv",
    "SepConv",
    "Skip",
    "ZenBasic",
    "ZenBlock",
    "ZenBottleneck",
    "ZenInverted",
    "Zero",
    "register",
    "registered_kinds",
]
