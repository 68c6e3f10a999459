"""The candidates of layer-wise spaces, as people write them: short forms, mappings, and what each may say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from fbsearch.architecture import Activation, Operator, Shape
from fbsearch.architecture.operators import Conv, MBConv, Skip
from fbsearch.spaces.definition import Count, DefinitionPart

_SHORT = re.compile(
    r"(?:(?P<kind>conv|mbconv)_)?k(?P<kernel>\d{1,9})(?:_e(?P<expansion>\d{1,9}))?(?:_g(?P<groups>\d{1,9}))?"
    r"(?:_se(?P<squeeze_excite>\d\.?\d{0,9}))?(?:_(?P<activation>relu6|relu|hswish|swish|identity))?",
    re.ASCII,
)
_COUNTS = ("kernel", "expansion", "groups")
_SHORT_FORM = "'skip', 'k3_e6', 'k5_e1_g2', 'k3_e3_se0.25_hswish' or 'conv_k3'"


@dataclass(frozen=True)
class LayerPlace:
    """Where a candidate stands.

    Args:
        shape: of what comes in.
        out_channels: of what goes out.
        stride: 1 or 2.
        activation: of candidates that name none.
        expand_expansion_1: whether blocks of expansion 1 keep their first convolution.
    """

    shape: Shape
    out_channels: int
    stride: int
    activation: Activation
    expand_expansion_1: bool

    @property
    def keeps_shape(self) -> bool:
        """Whether what goes out is of the shape of what comes in."""
        return self.stride == 1 and self.shape.channels == self.out_channels


class CandidateDefinition(DefinitionPart):
    """One choice of a layer, apart from the layer's shape.

    Args:
        word: which sort of block; YAML calls it ``kind``.
        kernel, expansion, groups, activation, squeeze_excite: as far as the sort has them.
    """

    model_config = ConfigDict(populate_by_name=False)

    word: Annotated[Literal["mbconv", "conv", "skip"], Field(alias="kind")] = "mbconv"
    kernel: Count = 3
    expansion: Count = 1
    groups: Count = 1
    activation: Activation | None = None
    squeeze_excite: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _fields_have_a_meaning(self) -> CandidateDefinition:
        unused = sorted(
            name
            for name in self.model_fields_set - {"word"} - self.sort.fields
            if not self.sort.fields or getattr(self, name) != type(self).model_fields[name].default
        )
        if unused and not self.sort.fields:
            raise ValueError(f"a {self.word} has no {unused[0]}; write '{self.word}', or another kind")
        if unused:
            raise ValueError(f"{unused[0]} has no meaning for a {self.word}")
        return self

    @property
    def sort(self) -> LayerSort:
        """What it says, and makes."""
        return _SORTS[self.word]

    @property
    def name(self) -> str:
        """The short form, such as ``k5_e1_g2``."""
        if not self.sort.fields:
            return self.word
        has_expansion = "expansion" in self.sort.fields
        parts: list[str] = [] if has_expansion else [self.word]
        parts.append(f"k{self.kernel}")
        if has_expansion:
            parts.append(f"e{self.expansion}")
        if self.groups > 1:
            parts.append(f"g{self.groups}")
        if self.squeeze_excite:
            parts.append(f"se{self.squeeze_excite:g}")
        if self.activation:
            parts.append(self.activation)
        return "_".join(parts)

    def at(self, place: LayerPlace) -> Operator:
        """Its operator there."""
        return self.sort.make(self, place)


@dataclass(frozen=True)
class LayerSort:
    """A sort of candidate.

    Args:
        fields: of a candidate that have a meaning for it; none if it is one word.
        make: a candidate and its place to the operator.
    """

    fields: frozenset[str]
    make: Callable[[CandidateDefinition, LayerPlace], Operator]


def _mbconv(candidate: CandidateDefinition, place: LayerPlace) -> Operator:
    return MBConv(
        place.shape.channels,
        place.out_channels,
        place.shape.resolution,
        kernel=candidate.kernel,
        stride=place.stride,
        expansion=candidate.expansion,
        groups=candidate.groups,
        activation=candidate.activation or place.activation,
        squeeze_excite=candidate.squeeze_excite,
        full_expand=candidate.expansion == 1 and place.expand_expansion_1,
    )


def _conv(candidate: CandidateDefinition, place: LayerPlace) -> Operator:
    return Conv(
        place.shape.channels,
        place.out_channels,
        place.shape.resolution,
        kernel=candidate.kernel,
        stride=place.stride,
        groups=candidate.groups,
        activation=candidate.activation or place.activation,
    )


def _skip(candidate: CandidateDefinition, place: LayerPlace) -> Operator:
    return Skip(place.shape.channels, place.out_channels, place.shape.resolution, stride=place.stride)


_SORTS = {
    "mbconv": LayerSort(
        frozenset({"kernel", "expansion", "groups", "activation", "squeeze_excite"}), _mbconv
    ),
    "conv": LayerSort(frozenset({"kernel", "groups", "activation"}), _conv),
    "skip": LayerSort(frozenset(), _skip),
}


def _from_short_form(value: Any) -> Any:
    """The mapping behind a candidate's short form; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value in _SORTS and not _SORTS[value].fields:
        return {"kind": value}
    match = _SHORT.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no candidate; write {_SHORT_FORM}, or a mapping")
    fields: dict[str, Any] = {name: text for name, text in match.groupdict().items() if text is not None}
    return {name: int(text) if name in _COUNTS else text for name, text in fields.items()}


LayerCandidate = Annotated[CandidateDefinition, BeforeValidator(_from_short_form)]
"""A candidate in its short form, or as a mapping."""
