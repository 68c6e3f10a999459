"""Plain spaces as people write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from fbsearch.architecture import Shape
from fbsearch.errors import ArchitectureError
from fbsearch.spaces.choices import fingerprint_of
from fbsearch.spaces.definition import Count, DefinitionPart, SpaceDefinition, space_kind
from fbsearch.spaces.plain.bounds import Bounds, Skeleton
from fbsearch.spaces.plain.drawing import (
    Mutation,
    Structure,
    draw_uniformly,
    linked,
    mutate_as_paper,
    mutate_as_released,
    mutate_one_as_released,
)
from fbsearch.spaces.plain.kinds import EXPANSIONS, KERNELS, Expansion, Family, Kernel, kinds_of
from fbsearch.spaces.plain.space import PlainSpace
from fbsearch.spaces.plain.structure_string import read_structure
from fbsearch.spaces.plain.super_block import MAX_SUB_LAYERS

_SAMPLERS: dict[str, Mutation] = {"uniform": draw_uniformly, "released": mutate_one_as_released}
_MUTATIONS: dict[str, Mutation] = {"paper": mutate_as_paper, "released": mutate_as_released}


def _readable(text: str) -> str:
    try:
        read_structure(text)
    except ArchitectureError as error:
        raise ValueError(str(error)) from None
    return text


def _distinct(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value stands twice")
    return values


class WidthBounds(DefinitionPart):
    """The channels that outputs and bottlenecks may have.

    Args:
        min: the least.
        max: the most.
        multiple: all are multiples of it.
    """

    min: Count = 8
    max: Count = 2048
    multiple: Count = 8

    @model_validator(mode="after")
    def _fits_together(self) -> WidthBounds:
        if self.min > self.max or self.min % self.multiple or self.max % self.multiple:
            raise ValueError(
                f"min {self.min} and max {self.max} must be multiples of {self.multiple}, and min no more "
                "than max"
            )
        return self


@space_kind("plain")
class PlainDefinition(SpaceDefinition):
    """A plain space, field by field (see docs/spaces.md).

    Args:
        initial: a structure string: its convolutions and strides are those of every structure, and the
            ``released`` sampler begins there. The image has ``in_channels``, whatever its first number says.
        families: of residual super-blocks.
        kernels: of residual super-blocks.
        expansions: of inverted ones.
        widths: of outputs and bottlenecks.
        max_layers: sub_layers of all super-blocks together, convolutions among them.
        fixed_head: whether a last convolution keeps its width.
        squeeze_excite: whether residual blocks have channel gates.
        sampler: ``released`` changes one super-block of the initial structure; ``uniform`` draws kinds,
            widths and depths at its places.
        mutation: by the rules of the authors' release, or of their paper.
    """

    kind: Literal["plain"]
    initial: Annotated[str, AfterValidator(_readable)]
    families: Annotated[tuple[Family, ...], Field(min_length=1), AfterValidator(_distinct)]
    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1), AfterValidator(_distinct)] = KERNELS
    expansions: Annotated[tuple[Expansion, ...], Field(min_length=1), AfterValidator(_distinct)] = EXPANSIONS
    widths: WidthBounds = WidthBounds()
    max_layers: Annotated[int, Field(ge=1, le=MAX_SUB_LAYERS, strict=True)]
    fixed_head: bool = False
    squeeze_excite: bool = False
    sampler: Literal["uniform", "released"] = "released"
    mutation: Literal["paper", "released"] = "released"

    def bounds(self) -> Bounds:
        """What may be chosen."""
        return Bounds(
            families=tuple(kinds_of(family, self.kernels, self.expansions) for family in self.families),
            least_width=self.widths.min,
            most_width=self.widths.max,
            width_step=self.widths.multiple,
            max_layers=self.max_layers,
            fixed_head=self.fixed_head,
        )

    def _build(self) -> PlainSpace:
        first, *others = read_structure(self.initial)
        initial = linked([replace(first, in_channels=self.in_channels), *others])
        return PlainSpace(
            name=self.name,
            fingerprint=fingerprint_of(self._content(initial)),
            input=Shape(self.in_channels, self.resolution),
            num_classes=self.num_classes,
            initial=initial,
            bounds=self.bounds(),
            draw=_SAMPLERS[self.sampler],
            change=_MUTATIONS[self.mutation],
            gated=self.squeeze_excite,
        )

    def _content(self, initial: Structure) -> object:
        """All that says which structures there are; how they are drawn does not."""
        skeleton = Skeleton.of(initial)
        fields = self.model_dump(mode="json", exclude={"name", "initial", "sampler", "mutation"})
        return fields | {
            "kinds": sorted(kind.name for kind in self.bounds().kinds),
            "anchors": skeleton.anchors,
            "between": skeleton.num_between,
            "head": initial[-1].out_channels if self.fixed_head else None,
        }
