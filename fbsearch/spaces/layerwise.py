"""The layer-wise space: a chain of slots, each choosing one operator of its own list."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbsearch.architecture import Architecture, Operator
from fbsearch.errors import SpaceError


@dataclass(frozen=True)
class Slot:
    """One searchable layer.

    Args:
        names: a short name per candidate, such as ``k3_e6``, unique within the slot.
        candidates: the operators, all of one input and output shape.
    """

    names: tuple[str, ...]
    candidates: tuple[Operator, ...]

    def __post_init__(self) -> None:
        if not self.candidates or len(self.names) != len(self.candidates):
            raise SpaceError("a slot needs at least one candidate and a name for each")
        for values in (self.names, self.candidates):
            if len(set(values)) != len(values):
                raise SpaceError(f"a slot holds a candidate twice: {', '.join(map(str, values))}")
        shapes = {
            (op.in_channels, op.out_channels, op.resolution, op.output_resolution) for op in self.candidates
        }
        if len(shapes) != 1:
            keys = ", ".join(map(str, self.candidates))
            raise SpaceError(f"the candidates of a slot differ in shape: {keys}")


@dataclass(frozen=True)
class LayerwiseSpace:
    """Every architecture that picks one candidate per slot (FBNet, Section 3.1).

    An architecture is addressed by its *choices*: one candidate index per slot.

    Args:
        name: how people and tables call the space.
        stem: fixed operators before the slots.
        slots: the searchable layers, in order.
        head: fixed operators after them, ending in a classifier.
    """

    name: str
    stem: tuple[Operator, ...]
    slots: tuple[Slot, ...]
    head: tuple[Operator, ...]

    def __post_init__(self) -> None:
        if not self.slots:
            raise SpaceError(f"space {self.name!r} has no searchable layer")
        self.decode((0,) * len(self.slots))  # the shapes along the chain fit, or this raises

    @property
    def num_slots(self) -> int:
        """Number of searchable layers S."""
        return len(self.slots)

    @property
    def max_candidates(self) -> int:
        """Largest number of candidates C in any slot."""
        return max(len(slot.candidates) for slot in self.slots)

    @property
    def num_architectures(self) -> int:
        """Size of the space: the product of the candidate counts."""
        return math.prod(len(slot.candidates) for slot in self.slots)

    @property
    def resolution(self) -> int:
        """Height and width of the input image in pixels."""
        return self.decode((0,) * self.num_slots).resolution

    @property
    def in_channels(self) -> int:
        """Channels of the input image."""
        return self.decode((0,) * self.num_slots).in_channels

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.head[-1].out_channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 of every operator in its place: equal for spaces that hold the same architectures."""
        content = {
            "stem": [op.key for op in self.stem],
            "slots": [[op.key for op in slot.candidates] for slot in self.slots],
            "head": [op.key for op in self.head],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def operators(self) -> tuple[Operator, ...]:
        """Every distinct operator of stem, slots and head, in order of first use."""
        chain = [*self.stem, *(op for slot in self.slots for op in slot.candidates), *self.head]
        return tuple(dict.fromkeys(chain))

    def decode(self, choices: Sequence[int], *, name: str | None = None) -> Architecture:
        """The architecture at ``choices`` (one candidate index per slot).

        Raises:
            SpaceError: if there is not one valid index per slot.
        """
        self._check(choices)
        return Architecture(
            name=name or f"{self.name}-{self.code(choices)}",
            stem=self.stem,
            layers=tuple(slot.candidates[i] for slot, i in zip(self.slots, choices, strict=True)),
            head=self.head,
        )

    def encode(self, architecture: Architecture) -> tuple[int, ...]:
        """The choices that :meth:`decode` turns into ``architecture``'s operators.

        Raises:
            SpaceError: if the architecture is not in this space; the message names the layer.
        """
        if len(architecture.layers) != self.num_slots:
            raise SpaceError(
                f"architecture {architecture.name!r} has {len(architecture.layers)} layers, "
                f"space {self.name!r} has {self.num_slots} slots"
            )
        if (architecture.stem, architecture.head) != (self.stem, self.head):
            raise SpaceError(
                f"architecture {architecture.name!r} has another stem or head than space {self.name!r}"
            )
        choices = []
        for layer, (slot, op) in enumerate(zip(self.slots, architecture.layers, strict=True)):
            if op not in slot.candidates:
                raise SpaceError(f"layer {layer} of {architecture.name!r}, {op}, is no candidate there")
            choices.append(slot.candidates.index(op))
        return tuple(choices)

    def code(self, choices: Sequence[int]) -> str:
        """A short text for ``choices``, unique within the space."""
        return hashlib.sha256(",".join(map(str, choices)).encode()).hexdigest()[:8]

    def choice_names(self, choices: Sequence[int]) -> tuple[str, ...]:
        """The candidates' short names along ``choices``."""
        self._check(choices)
        return tuple(slot.names[i] for slot, i in zip(self.slots, choices, strict=True))

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Choices drawn uniformly."""
        return tuple(int(rng.integers(len(slot.candidates))) for slot in self.slots)

    def mutate(self, choices: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """``choices`` with one random slot set to another of its candidates.

        Raises:
            SpaceError: if no slot has two candidates.
        """
        self._check(choices)
        free = [s for s, slot in enumerate(self.slots) if len(slot.candidates) > 1]
        if not free:
            raise SpaceError(f"space {self.name!r} holds one architecture only; nothing can be mutated")
        slot = free[int(rng.integers(len(free)))]
        step = 1 + int(rng.integers(len(self.slots[slot].candidates) - 1))
        mutated = list(choices)
        mutated[slot] = (mutated[slot] + step) % len(self.slots[slot].candidates)
        return tuple(mutated)

    def _check(self, choices: Sequence[int]) -> None:
        if len(choices) != len(self.slots):
            raise SpaceError(f"{len(choices)} choices given; space {self.name!r} has {len(self.slots)} slots")
        for layer, (slot, i) in enumerate(zip(self.slots, choices, strict=True)):
            if not 0 <= i < len(slot.candidates):
                raise SpaceError(f"choice {i} at layer {layer}: allowed are 0 to {len(slot.candidates) - 1}")
