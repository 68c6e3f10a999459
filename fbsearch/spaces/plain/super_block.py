"""The super-block: layers of one kind and one width, of which only the first may change the shape."""

from __future__ import annotations

from dataclasses import dataclass

from fbsearch.architecture import MAX_SIZE, Operator
from fbsearch.errors import ArchitectureError
from fbsearch.spaces.plain.kinds import LayerPlace, SuperKind

MAX_SUB_LAYERS = 1000


@dataclass(frozen=True)
class SuperBlock:
    """One super-block.

    Args:
        kind: what it repeats.
        in_channels: of what comes in.
        out_channels: of what goes out.
        stride: 1 or 2, of the first layer.
        bottleneck: the second width of residual kinds; 0 for convolutions, which have none.
        sub_layers: how often it repeats.

    Raises:
        ArchitectureError: if a number is out of range.
    """

    kind: SuperKind
    in_channels: int
    out_channels: int
    stride: int
    bottleneck: int
    sub_layers: int

    def __post_init__(self) -> None:
        widths = [self.in_channels, self.out_channels]
        widths += [self.bottleneck] if self.kind.has_bottleneck else []
        if not all(1 <= width <= MAX_SIZE for width in widths):
            raise ArchitectureError(f"{self}: channels must lie between 1 and {MAX_SIZE:,}")
        if self.stride not in (1, 2):
            raise ArchitectureError(f"{self}: stride must be 1 or 2, not {self.stride}")
        if not 1 <= self.sub_layers <= MAX_SUB_LAYERS:
            raise ArchitectureError(
                f"{self}: sub_layers must lie between 1 and {MAX_SUB_LAYERS:,}, not {self.sub_layers}"
            )

    def __str__(self) -> str:
        """As structure strings write it."""
        numbers = [self.in_channels, self.out_channels, self.stride]
        numbers += [self.bottleneck] if self.kind.has_bottleneck else []
        return f"{self.kind.name}({','.join(map(str, [*numbers, self.sub_layers]))})"

    def operators(self, resolution: int, *, gated: bool) -> tuple[Operator, ...]:
        """Its operators, in the order in which they run.

        Args:
            resolution: of what comes in, in pixels.
            gated: whether residual blocks have squeeze and excitation.
        """
        found: list[Operator] = []
        for index in range(self.sub_layers):
            is_first = index == 0
            place = LayerPlace(
                in_channels=self.in_channels if is_first else self.out_channels,
                out_channels=self.out_channels,
                bottleneck=self.bottleneck,
                resolution=resolution if is_first else found[-1].output.resolution,
                stride=self.stride if is_first else 1,
                is_first=is_first,
                gated=gated,
            )
            found += self.kind.layer(place)
        return tuple(found)
