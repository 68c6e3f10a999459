"""Memory for large feature maps, used again and again.

Above 32 MB the C library takes memory from the system for each tensor and gives it back after, and the system
clears every page of it first: twice the time of the matrix product that fills it.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Workspace:
    """Float32 buffers on the CPU: those that were given back are taken again."""

    def __init__(self) -> None:
        self._free: list[Tensor] = []
        self._lent: dict[int, Tensor] = {}

    def take(self, num_images: int, channels: int, height: int, width: int) -> Tensor:
        """An uninitialised map ``B x C x H x W``, channels last."""
        size = num_images * channels * height * width
        fitting = [one for one in self._free if one.numel() >= size]
        if fitting:
            buffer = min(fitting, key=Tensor.numel)
            self._free = [one for one in self._free if one is not buffer]
        else:
            buffer = torch.empty(size)
        self._lent[buffer.data_ptr()] = buffer
        return buffer[:size].view(num_images, height, width, channels).permute(0, 3, 1, 2)

    def give(self, x: Tensor) -> None:
        """Take a map back, if it is one of these; nobody may use it, or a view of it, any more."""
        buffer = self._lent.pop(x.data_ptr(), None)
        if buffer is not None:
            self._free.append(buffer)
