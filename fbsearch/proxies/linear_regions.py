"""TE-NAS' expressivity: in how many linear pieces a network cuts its inputs (Chen et al., 2021).

TE-NAS counts the distinct activation codes of a thousand random 3x3 images in a narrow copy of a cell. In
whole networks all codes are distinct, so that count says nothing. Here, as Hanin and Rolnick (2019) count,
images move along straight lines, and each unit that goes on or off on the way is a border between two pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fbsearch.architecture import Shape
from fbsearch.proxies.activation_codes import activation_signs
from fbsearch.proxies.normal import normal_images
from fbsearch.proxies.proxy import register_proxy
from fbsearch.proxies.subject import Subject, initialised


@dataclass(frozen=True)
class LinearRegions:
    """The mean number of linear pieces on a line between two normal images, norms as before any training.

    Args:
        resolution: of the images, as in TE-NAS.
        num_lines: over which the mean is taken.
        num_points: on each line.
    """

    name: str = "linear_regions"
    label: str = "TE-NAS: linear regions along lines between small images"
    is_random: bool = True
    resolution: int = 3
    num_lines: int = 4
    num_points: int = 250

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """Of the network's own initial weights; the batch size does not matter.

        Raises:
            ProxyError: if there are no activations.
        """
        module = initialised(subject, generator).eval()
        signs = activation_signs(module, self._lines(subject.input.channels, generator))
        codes = torch.cat(signs, 1).view(self.num_lines, self.num_points, -1)
        num_borders = (codes[:, 1:] != codes[:, :-1]).sum()
        return 1 + float(num_borders) / self.num_lines

    def _lines(self, channels: int, generator: torch.Generator) -> Tensor:
        """Images on lines, ``lines * points x C x 3 x 3``."""
        shape = Shape(channels, self.resolution)
        starts, ends = normal_images(shape, 2 * self.num_lines, generator)[:, None].chunk(2)
        way = torch.linspace(0, 1, self.num_points, device=starts.device)[:, None, None, None]
        return torch.lerp(starts, ends, way).flatten(0, 1)


register_proxy(LinearRegions())
