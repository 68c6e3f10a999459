"""Small networks to score, of the project and of others."""

from torch import nn
from torch.nn import functional

from fbsearch.architecture import INPUT, Architecture, Node, Operator
from fbsearch.architecture.operators import Add, AvgPool, Classifier, Conv, MBConv, SepConv

# Of the kinds that layer-wise, plain and cell spaces are made of.
TINY_CHAIN = (
    "conv_k3_s1_relu_c3-8_r8",
    "mbconv_k5_e3_s2_relu_c8-12_r8",
    "mbconv_k3_e3_s1_se0.25_hswish_c12-12_r4",
    "zenbottle_k3_h4_s1_proj_c12-12_r4",
    "zenidw_k7_h24_s1_c12-16_r4",
    "zenbasic_k3_h8_s1_c16-16_r4",
    "skip_s1_c16-16_r4",
    "bottleneck_k3_b2_s2_c16-20_r4",
    "classifier_c20-5_r2",
)


def chain(keys) -> Architecture:
    return Architecture.chain("tiny", {"layers": [Operator.from_key(key) for key in keys]})


def tiny_cell() -> Architecture:
    """Two branches of one stem, added; the pool's input is used twice."""
    nodes = (
        Node("stem/0", Conv(3, 8, 8, kernel=3, activation="relu"), (INPUT,)),
        Node("cell/a", SepConv(8, 8, 8, kernel=3), ("stem/0",)),
        Node("cell/b", AvgPool(8, 8, 8, kernel=3), ("stem/0",)),
        Node("cell/sum", Add(8, 8, 8, num_inputs=2), ("cell/a", "cell/b")),
        Node("cell/c", MBConv(8, 8, 8, kernel=3, expansion=3), ("cell/sum",)),
        Node("head/0", Classifier(8, 5, 8), ("cell/c",)),
    )
    return Architecture("cell", nodes)


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.constant_(self.norm.weight, 7)

    def forward(self, x):
        return functional.relu(x + self.norm(self.conv(x)))


class OtherNetwork(nn.Module):
    """A network that this project did not make: functions rather than modules, a norm in its head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.Sequential(Block(8), nn.Dropout(0.5), Block(8))
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x)).mean((2, 3))))
