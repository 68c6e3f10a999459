"""An open space: a chain of convolutions of any width, too many operators to list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fbsearch.architecture import Architecture, Operator, Shape
from fbsearch.architecture.operators import Classifier, Conv
from fbsearch.errors import SpaceError
from fbsearch.spaces import Code, SpaceDefinition, space_kind

STEP = 8


@dataclass(frozen=True)
class WideSpace:
    """Convolutions of 8, 16, … channels; a code holds each layer's width in steps of 8.

    Args:
        name: of the space.
        resolution: of the image.
        depth: number of layers.
        max_width: of the widest.
    """

    name: str = "wide"
    resolution: int = 16
    depth: int = 3
    max_width: int = 2048
    num_classes: int = 10

    @property
    def input(self) -> Shape:
        return Shape(3, self.resolution)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def size(self) -> int:
        return (self.max_width // STEP) ** self.depth

    def decode(self, code: Sequence[int], *, name: str | None = None) -> Architecture:
        if len(code) != self.depth or not all(1 <= one <= self.max_width // STEP for one in code):
            raise SpaceError(f"code {code} is none of space {self.name!r}")
        layers, channels = [], 3
        for one in code:
            layers.append(Conv(channels, one * STEP, self.resolution, kernel=1, activation="relu"))
            channels = one * STEP
        classifier = Classifier(channels, self.num_classes, self.resolution)
        groups = {"layers": tuple(layers), "head": (classifier,)}
        return Architecture.chain(name or f"{self.name}-{'-'.join(map(str, code))}", groups)

    def encode(self, architecture: Architecture) -> Code:
        return tuple(operator.out_channels // STEP for operator in architecture.group("layers"))

    def sample(self, rng: np.random.Generator) -> Code:
        return tuple(int(one) for one in rng.integers(1, self.max_width // STEP + 1, self.depth))

    def mutate(self, code: Sequence[int], rng: np.random.Generator) -> Code:
        mutated = list(code)
        mutated[int(rng.integers(self.depth))] = int(rng.integers(1, self.max_width // STEP + 1))
        return tuple(mutated)

    def operators(self) -> tuple[Operator, ...] | None:
        return None


@space_kind("wide")
class WideDefinition(SpaceDefinition):
    """The same in YAML."""

    kind: Literal["wide"]
    depth: Annotated[int, Field(ge=1)] = 3
    max_width: Annotated[int, Field(ge=STEP)] = 2048

    def _build(self) -> WideSpace:
        return WideSpace(self.name, self.resolution, self.depth, self.max_width, self.num_classes)
