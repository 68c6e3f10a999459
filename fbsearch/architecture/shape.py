"""The shape of what flows between operators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A feature map ``C x H x W`` with H = W, or a vector of class scores.

    Args:
        channels: C.
        resolution: H and W in pixels; 1 of a vector.
        is_vector: whether it has no height and width at all.
    """

    channels: int
    resolution: int
    is_vector: bool = False

    @property
    def num_elements(self) -> int:
        """Numbers that it holds, of one image."""
        return self.channels * self.resolution**2

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Without the batch: ``(C, H, W)``, or ``(C,)`` of a vector."""
        return (self.channels,) if self.is_vector else (self.channels, self.resolution, self.resolution)

    def __str__(self) -> str:
        return (
            f"{self.channels} classes"
            if self.is_vector
            else f"{self.channels} channels at {self.resolution} px"
        )
