"""The network with what learns beside it: a projection of its feature map to the teacher's channels."""

from __future__ import annotations

from torch import Tensor, nn

from fbsearch.nn import Network
from fbsearch.train.distillation.lessons import MapSize, pooled


class Student(nn.Module):
    """A network whose feature map is compared with a teacher's (Romero et al., 2015).

    Args:
        network: that learns.
        channels: of its feature map.
        taught_channels: of the teacher's.
        map_size: height and width to which both maps are pooled.
    """

    def __init__(self, network: Network, channels: int, taught_channels: int, map_size: MapSize) -> None:
        super().__init__()
        self.network = network
        self.projection = nn.Conv2d(channels, taught_channels, 1)
        # Of the size of what it takes: a map of many channels would else begin far from any teacher's.
        nn.init.kaiming_normal_(self.projection.weight, nonlinearity="linear")
        assert self.projection.bias is not None
        nn.init.zeros_(self.projection.bias)
        self._map_size = map_size

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images to logits ``B x classes``, and the projected feature map ``B x C x h x w``."""
        features, logits = self.network.with_features(images)
        return logits, self.projection(pooled(features, self._map_size))
