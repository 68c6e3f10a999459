"""The layer-wise space: a chain of layers, each choosing an operator of its own list (FBNet, Section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from fbsearch.architecture import INPUT, MAX_SIZE, Activation, Node, Operator, Shape
from fbsearch.architecture.node import chain_nodes
from fbsearch.architecture.operators import Classifier, Conv
from fbsearch.errors import SpaceError
from fbsearch.spaces.choices import fingerprint_of
from fbsearch.spaces.definition import (
    Count,
    DefinitionPart,
    SpaceDefinition,
    check_num_candidates,
    space_kind,
)
from fbsearch.spaces.factored import ProductSpace
from fbsearch.spaces.layer_candidates import LayerCandidate, LayerPlace
from fbsearch.spaces.space import Candidate, Decision

MAX_LAYERS = 1000
MAX_MULTIPLIER = 1000


class StemDefinition(DefinitionPart):
    """The convolution before the searched layers."""

    channels: Count = 16
    kernel: Count = 3
    stride: Literal[1, 2] = 2
    activation: Activation | None = None


class StageDefinition(DefinitionPart):
    """Searched layers of one width; the first may halve the resolution."""

    channels: Count
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS, strict=True)]
    stride: Literal[1, 2] = 1
    candidates: Annotated[tuple[LayerCandidate, ...], Field(min_length=1)] | None = None


class HeadDefinition(DefinitionPart):
    """The 1x1 convolution before pooling and classifier; 0 channels leave it out."""

    channels: Annotated[int, Field(ge=0, le=MAX_SIZE, strict=True)] = 0
    activation: Activation | None = None


@space_kind("layerwise")
class LayerwiseDefinition(SpaceDefinition):
    """A layer-wise space, field by field (see docs/spaces.md).

    Args:
        activation: of every block that names none.
        width_multiplier: scales stem and stages, rounded to multiples of 8 (never down by more than
            10 %); the head only where it is above 1, as in MobileNetV2.
        expand_expansion_1: keep the first 1x1 convolution of blocks of expansion 1. FBNet's release
            leaves it out; its paper's figure draws it.
        skip_across_shapes: what ``skip`` is in a layer that changes shape: a 1x1 ``project``ion, or
            ``omit``ted from that layer's candidates.
    """

    kind: Literal["layerwise"] = "layerwise"
    activation: Activation = "relu"
    width_multiplier: Annotated[float, Field(gt=0, le=MAX_MULTIPLIER)] = 1.0
    expand_expansion_1: bool = False
    skip_across_shapes: Literal["project", "omit"] = "project"
    stem: StemDefinition = StemDefinition()
    stages: Annotated[tuple[StageDefinition, ...], Field(min_length=1)]
    candidates: tuple[LayerCandidate, ...] = ()
    head: HeadDefinition = HeadDefinition()

    @model_validator(mode="after")
    def _not_too_large(self) -> LayerwiseDefinition:
        num_layers = sum(stage.layers for stage in self.stages)
        if num_layers > MAX_LAYERS:
            raise ValueError(f"the stages have {num_layers:,} layers; {MAX_LAYERS:,} are allowed")
        check_num_candidates(
            sum(stage.layers * len(stage.candidates or self.candidates) for stage in self.stages)
        )
        return self

    def _build(self) -> ProductSpace:
        stem = Conv(
            self.in_channels,
            self._width(self.stem.channels),
            self.resolution,
            kernel=self.stem.kernel,
            stride=self.stem.stride,
            activation=self.stem.activation or self.activation,
        )
        shape = stem.output
        layers: list[_Layer] = []
        for stage in self.stages:
            for layer in range(stage.layers):
                stride = stage.stride if layer == 0 else 1
                layers.append(self._layer(stage, shape, stride))
                shape = layers[-1][0][1].output
        return layerwise_space(self.name, [stem], layers, self._head(shape.channels, shape.resolution))

    def _layer(self, stage: StageDefinition, shape: Shape, stride: int) -> _Layer:
        place = LayerPlace(
            shape, self._width(stage.channels), stride, self.activation, self.expand_expansion_1
        )
        candidates = stage.candidates or self.candidates
        if self.skip_across_shapes == "omit" and not place.keeps_shape:
            candidates = tuple(one for one in candidates if one.sort.fields)
        if not candidates:
            raise SpaceError(f"space {self.name!r}: the stage of {stage.channels} channels has no candidates")
        return [(one.name, one.at(place)) for one in candidates]

    def _head(self, channels: int, resolution: int) -> list[Operator]:
        head: list[Operator] = []
        if self.head.channels:
            width = self._width(self.head.channels) if self.width_multiplier > 1 else self.head.channels
            activation = self.head.activation or self.activation
            head.append(Conv(channels, width, resolution, activation=activation))
            channels = width
        return [*head, Classifier(channels, self.num_classes, resolution)]

    def _width(self, channels: int) -> int:
        """``channels`` times the width multiplier, to the nearest multiple of 8, at most 10 % less."""
        if self.width_multiplier == 1.0:
            return channels
        scaled = channels * self.width_multiplier
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * scaled else rounded + 8


_Layer = Sequence[tuple[str, Operator]]
"""Short names and operators of a layer's candidates."""


def layerwise_space(
    name: str, stem: Sequence[Operator], layers: Sequence[_Layer], head: Sequence[Operator]
) -> ProductSpace:
    """A chain: the stem's operators, one decision per layer, the head's operators, ending in a classifier.

    Args:
        name: of the space.
        stem: before the searched layers.
        layers: of each, the short names and operators of its candidates, all of one input and output shape.
        head: after them.

    Raises:
        SpaceError: if they do not fit together.
    """
    fixed_stem = chain_nodes({"stem": stem})
    before = fixed_stem[-1].name if fixed_stem else INPUT
    decisions = []
    for index, layer in enumerate(layers):
        place = f"layers/{index}"
        nodes = [Candidate(label, (Node(place, operator, (before,)),)) for label, operator in layer]
        decisions.append(Decision(place, tuple(nodes)))
        before = place
    content = {
        "stem": [op.key for op in stem],
        "slots": [[op.key for _, op in layer] for layer in layers],
        "head": [op.key for op in head],
    }
    fixed = (*fixed_stem, *chain_nodes({"head": head}, after=before))
    return ProductSpace(name, tuple(decisions), fingerprint_of(content), fixed)
