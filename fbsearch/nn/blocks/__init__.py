"""Operators as modules, a file for each family of kinds; each registers its builders with :func:`build`."""

from fbsearch.nn.blocks.building import build
from fbsearch.nn.blocks.classifier import Classifier
from fbsearch.nn.blocks.conv import ConvNorm
from fbsearch.nn.blocks.join import Add, Concat, Zero
from fbsearch.nn.blocks.mbconv import ChannelShuffle, MBConv, SqueezeExcite
from fbsearch.nn.blocks.pool import AvgPool
from fbsearch.nn.blocks.preactivated import FactorisedReduce, PreActivated
from fbsearch.nn.blocks.relu import Relu
from fbsearch.nn.blocks.residual import ResidualBlock
from fbsearch.nn.blocks.zen import NormedGates

__all__ = [
    "Add",
    "AvgPool",
    "ChannelShuffle",
    "Classifier",
    "Concat",
    "ConvNorm",
    "FactorisedReduce",
    "MBConv",
    "NormedGates",
    "PreActivated",
    "Relu",
    "ResidualBlock",
    "SqueezeExcite",
    "Zero",
    "build",
]
