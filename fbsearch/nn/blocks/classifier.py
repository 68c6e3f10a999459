"""From features to class scores."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from fbsearch.architecture import operators
from fbsearch.nn.blocks.building import build


class Classifier(nn.Module):
    """Global average pool, dropout and linear layer: ``B x C x H x W`` to ``B x classes``."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.0)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """``B x C x H x W`` to ``B x classes``."""
        # Not x.mean: the TFLite converter turns a pooling to channels last, a mean only behind a TRANSPOSE.
        pooled = functional.avg_pool2d(x, x.shape[2:]).flatten(1)
        return self.linear(self.dropout(pooled))  # type: ignore[no-any-return]  # nn.Module returns Any


@build.register
def _build_classifier(op: operators.Classifier) -> nn.Module:
    return Classifier(op.in_channels, op.out_channels)
