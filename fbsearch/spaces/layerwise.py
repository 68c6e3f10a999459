"""The layer-wise space: a chain of layers, each choosing an operator of its own list (FBNet, Section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from fbsearch.architecture import INPUT, MAX_SIZE, Activation, Node, Operator
from fbsearch.architecture.node import chain_nodes
from fbsearch.architecture.operators import Classifier, Conv, MBConv, Skip
from fbsearch.errors import SpaceError
from fbsearch.spaces.choices import fingerprint_of
from fbsearch.spaces.definition import Count, DefinitionPart, SpaceDefinition, space_kind
from fbsearch.spaces.factored import ProductSpace
from fbsearch.spaces.space import Candidate, Decision

_CANDIDATE = re.compile(
    r"(?:(?P<kind>conv|mbconv)_)?k(?P<kernel>\d{1,9})(?:_e(?P<expansion>\d{1,9}))?(?:_g(?P<groups>\d{1,9}))?"
    r"(?:_se(?P<squeeze_excite>\d\.?\d{0,9}))?(?:_(?P<activation>relu6|relu|hswish|swish|identity))?",
    re.ASCII,
)
_COUNTS = ("kernel", "expansion", "groups")
_SHORT_FORM = "'skip', 'k3_e6', 'k5_e1_g2', 'k3_e3_se0.25_hswish' or 'conv_k3'"

MAX_LAYERS = 1000


_BARE = "skip"
"""The kind that is one word."""

_MEANINGFUL = {
    "mbconv": frozenset({"kernel", "expansion", "groups", "activation", "squeeze_excite"}),
    "conv": frozenset({"kernel", "groups", "activation"}),
    _BARE: frozenset[str](),
}
"""The fields that each kind has."""


class CandidateDefinition(DefinitionPart):
    """One choice of a layer, apart from the layer's shape."""

    kind: Literal["mbconv", "conv", "skip"] = "mbconv"
    kernel: Count = 3
    expansion: Count = 1
    groups: Count = 1
    activation: Activation | None = None
    squeeze_excite: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _fields_have_a_meaning(self) -> CandidateDefinition:
        unused = sorted(
            name
            for name in self.model_fields_set - {"kind"} - _MEANINGFUL[self.kind]
            if self.kind == _BARE or getattr(self, name) != type(self).model_fields[name].default
        )
        if unused and self.kind == _BARE:
            raise ValueError(f"a skip has no {unused[0]}; write 'skip', or another kind")
        if unused:
            raise ValueError(f"{unused[0]} has no meaning for a {self.kind}")
        return self

    def has(self, field: str) -> bool:
        """Whether the kind gives a field a meaning."""
        return field in _MEANINGFUL[self.kind]

    @property
    def name(self) -> str:
        """The short form, such as ``k5_e1_g2``."""
        if self.kind == _BARE:
            return self.kind
        parts: list[str] = [] if self.has("expansion") else [self.kind]
        parts.append(f"k{self.kernel}")
        if self.has("expansion"):
            parts.append(f"e{self.expansion}")
        if self.groups > 1:
            parts.append(f"g{self.groups}")
        if self.squeeze_excite:
            parts.append(f"se{self.squeeze_excite:g}")
        if self.activation:
            parts.append(self.activation)
        return "_".join(parts)


def _candidate(value: Any) -> Any:
    """The mapping behind a candidate's short form; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value == _BARE:
        return {"kind": _BARE}
    match = _CANDIDATE.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no candidate; write {_SHORT_FORM}, or a mapping")
    fields: dict[str, Any] = {name: text for name, text in match.groupdict().items() if text is not None}
    return {name: int(text) if name in _COUNTS else text for name, text in fields.items()}


_Candidate = Annotated[CandidateDefinition, BeforeValidator(_candidate)]


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
    candidates: Annotated[tuple[_Candidate, ...], Field(min_length=1)] | None = None


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
    width_multiplier: Annotated[float, Field(gt=0)] = 1.0
    expand_expansion_1: bool = False
    skip_across_shapes: Literal["project", "omit"] = "project"
    stem: StemDefinition = StemDefinition()
    stages: Annotated[tuple[StageDefinition, ...], Field(min_length=1)]
    candidates: tuple[_Candidate, ...] = ()
    head: HeadDefinition = HeadDefinition()

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
                layers.append(self._layer(stage, shape.channels, shape.resolution, stride))
                shape = layers[-1][0][1].output
        return layerwise_space(self.name, [stem], layers, self._head(shape.channels, shape.resolution))

    def _layer(self, stage: StageDefinition, channels: int, resolution: int, stride: int) -> _Layer:
        out = self._width(stage.channels)
        candidates = stage.candidates or self.candidates
        if (stride, channels) != (1, out) and self.skip_across_shapes == "omit":
            candidates = tuple(c for c in candidates if c.has("kernel"))
        if not candidates:
            raise SpaceError(f"space {self.name!r}: the stage of {stage.channels} channels has no candidates")
        return [(c.name, self._operator(c, channels, out, resolution, stride)) for c in candidates]

    def _operator(
        self, candidate: CandidateDefinition, channels: int, out: int, resolution: int, stride: int
    ) -> Operator:
        if not candidate.has("kernel"):
            return Skip(channels, out, resolution, stride=stride)
        activation = candidate.activation or self.activation
        if not candidate.has("expansion"):
            return Conv(
                channels,
                out,
                resolution,
                kernel=candidate.kernel,
                stride=stride,
                groups=candidate.groups,
                activation=activation,
            )
        return MBConv(
            channels,
            out,
            resolution,
            kernel=candidate.kernel,
            stride=stride,
            expansion=candidate.expansion,
            groups=candidate.groups,
            activation=activation,
            squeeze_excite=candidate.squeeze_excite,
            full_expand=candidate.expansion == 1 and self.expand_expansion_1,
        )

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
