"""Standard normal numbers: images, and weights as Zen-Score wants them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from fbsearch.architecture import Shape


def normal_images(shape: Shape, batch_size: int, generator: torch.Generator) -> Tensor:
    """Images ``B x C x H x W`` of standard normal numbers, on the generator's device."""
    return torch.randn((batch_size, *shape.dimensions), generator=generator, device=generator.device)


@torch.no_grad()
def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Weights of all convolutions and linear layers from N(0, 1), biases 0."""
    for part in module.modules():
        if isinstance(part, (_ConvNd, nn.Linear)):
            part.weight.normal_(generator=generator)
            if part.bias is not None:
                part.bias.zero_()
