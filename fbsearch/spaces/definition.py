"""A space as people write it: YAML in, :class:`LayerwiseSpace` out."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from fbsearch.architecture import MAX_SIZE, Activation, Operator
from fbsearch.errors import ArchitectureError, SpaceError
from fbsearch.files import parse_yaml
from fbsearch.spaces.layerwise import LayerwiseSpace, Slot

_CANDIDATE = re.compile(
    r"(?:(?P<kind>conv|mbconv)_)?k(?P<kernel>\d{1,9})(?:_e(?P<expansion>\d{1,9}))?(?:_g(?P<groups>\d{1,9}))?"
    r"(?:_se(?P<squeeze_excite>\d\.?\d{0,9}))?(?:_(?P<activation>relu6|relu|hswish|swish|identity))?",
    re.ASCII,
)
_COUNTS = ("kernel", "expansion", "groups")
_SHORT_FORM = "'skip', 'k3_e6', 'k5_e1_g2', 'k3_e3_se0.25_hswish' or 'conv_k3'"

MAX_LAYERS = 1000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Count = Annotated[int, Field(ge=1, le=MAX_SIZE, strict=True)]
"""A whole number from 1; strict, since YAML's ``yes`` would else pass for 1."""


class CandidateDefinition(_Model):
    """One choice of a layer, apart from the layer's shape."""

    kind: Literal["mbconv", "conv", "skip"] = "mbconv"
    kernel: Count = 3
    expansion: Count = 1
    groups: Count = 1
    activation: Activation | None = None
    squeeze_excite: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _skip_is_bare(self) -> CandidateDefinition:
        extra = sorted(self.model_fields_set - {"kind"})
        if self.kind == "skip" and extra:
            raise ValueError(f"a skip has no {extra[0]}; write 'skip', or another kind")
        return self

    @property
    def name(self) -> str:
        """The short form, such as ``k5_e1_g2``."""
        if self.kind == "skip":
            return "skip"
        parts = [f"k{self.kernel}"] if self.kind == "mbconv" else ["conv", f"k{self.kernel}"]
        if self.kind == "mbconv":
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
    if value == "skip":
        return {"kind": "skip"}
    match = _CANDIDATE.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no candidate; write {_SHORT_FORM}, or a mapping")
    fields: dict[str, Any] = {name: text for name, text in match.groupdict().items() if text is not None}
    return {name: int(text) if name in _COUNTS else text for name, text in fields.items()}


Candidate = Annotated[CandidateDefinition, BeforeValidator(_candidate)]


class StemDefinition(_Model):
    """The convolution before the searched layers."""

    channels: Count = 16
    kernel: Count = 3
    stride: Literal[1, 2] = 2
    activation: Activation | None = None


class StageDefinition(_Model):
    """Searched layers of one width; the first may halve the resolution."""

    channels: Count
    layers: Annotated[int, Field(ge=1, le=MAX_LAYERS, strict=True)]
    stride: Literal[1, 2] = 1
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)] | None = None


class HeadDefinition(_Model):
    """The 1x1 convolution before pooling and classifier; 0 channels leave it out."""

    channels: Annotated[int, Field(ge=0, le=MAX_SIZE, strict=True)] = 0
    activation: Activation | None = None


class SpaceDefinition(_Model):
    """A layer-wise space, field by field (see docs/spaces.md).

    Args:
        name: letters, digits, ``-``, ``_`` and ``.``: it becomes part of file names.
        resolution: height and width of the input in pixels.
        in_channels: channels of the input.
        num_classes: classes to tell apart.
        activation: of every block that names none.
        width_multiplier: scales stem and stages, rounded to multiples of 8 (never down by more than
            10 %); the head only where it is above 1, as in MobileNetV2.
        expand_expansion_1: keep the first 1x1 convolution of blocks of expansion 1. FBNet's release
            leaves it out; its paper's figure draws it.
        skip_across_shapes: what ``skip`` is in a layer that changes shape: a 1x1 ``project``ion, or
            ``omit``ted from that layer's candidates.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    resolution: Count
    in_channels: Count = 3
    num_classes: Annotated[int, Field(ge=2, le=MAX_SIZE, strict=True)]
    activation: Activation = "relu"
    width_multiplier: Annotated[float, Field(gt=0)] = 1.0
    expand_expansion_1: bool = False
    skip_across_shapes: Literal["project", "omit"] = "project"
    stem: StemDefinition = StemDefinition()
    stages: Annotated[tuple[StageDefinition, ...], Field(min_length=1)]
    candidates: tuple[Candidate, ...] = ()
    head: HeadDefinition = HeadDefinition()

    def build(self) -> LayerwiseSpace:
        """The space this describes.

        Raises:
            SpaceError: if a stage has no candidates or a block cannot be built.
        """
        try:
            return self._build()
        except ArchitectureError as error:
            raise SpaceError(f"space {self.name!r}: {error}") from None

    def _build(self) -> LayerwiseSpace:
        stem = Operator(
            "conv",
            self.in_channels,
            self._width(self.stem.channels),
            self.resolution,
            kernel=self.stem.kernel,
            stride=self.stem.stride,
            activation=self.stem.activation or self.activation,
        )
        channels, resolution = stem.out_channels, stem.output_resolution
        slots: list[Slot] = []
        for stage in self.stages:
            for layer in range(stage.layers):
                stride = stage.stride if layer == 0 else 1
                slots.append(self._slot(stage, channels, resolution, stride))
                channels = slots[-1].candidates[0].out_channels
                resolution = slots[-1].candidates[0].output_resolution
        return LayerwiseSpace(self.name, (stem,), tuple(slots), self._head(channels, resolution))

    def _slot(self, stage: StageDefinition, channels: int, resolution: int, stride: int) -> Slot:
        out = self._width(stage.channels)
        candidates = stage.candidates or self.candidates
        if (stride, channels) != (1, out) and self.skip_across_shapes == "omit":
            candidates = tuple(c for c in candidates if c.kind != "skip")
        if not candidates:
            raise SpaceError(f"space {self.name!r}: the stage of {stage.channels} channels has no candidates")
        operators = tuple(self._operator(c, channels, out, resolution, stride) for c in candidates)
        return Slot(tuple(c.name for c in candidates), operators)

    def _operator(
        self, candidate: CandidateDefinition, channels: int, out: int, resolution: int, stride: int
    ) -> Operator:
        if candidate.kind == "skip":
            return Operator("skip", channels, out, resolution, stride=stride)
        is_mbconv = candidate.kind == "mbconv"
        return Operator(
            candidate.kind,
            channels,
            out,
            resolution,
            kernel=candidate.kernel,
            stride=stride,
            expansion=candidate.expansion,
            groups=candidate.groups,
            activation=candidate.activation or self.activation,
            squeeze_excite=candidate.squeeze_excite,
            full_expand=is_mbconv and candidate.expansion == 1 and self.expand_expansion_1,
        )

    def _head(self, channels: int, resolution: int) -> tuple[Operator, ...]:
        head: list[Operator] = []
        if self.head.channels:
            width = self._width(self.head.channels) if self.width_multiplier > 1 else self.head.channels
            activation = self.head.activation or self.activation
            head.append(Operator("conv", channels, width, resolution, activation=activation))
            channels = width
        head.append(Operator("classifier", channels, self.num_classes, resolution))
        return tuple(head)

    def _width(self, channels: int) -> int:
        """``channels`` times the width multiplier, to the nearest multiple of 8, at most 10 % less."""
        if self.width_multiplier == 1.0:
            return channels
        scaled = channels * self.width_multiplier
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * scaled else rounded + 8


def preset_names() -> tuple[str, ...]:
    """Names of the spaces that come with fbsearch."""
    files = resources.files("fbsearch.spaces").joinpath("presets").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load_definition(source: str, **overrides: int | float | bool | str | None) -> SpaceDefinition:
    """A space's definition from a preset's name or a YAML file, with top-level fields replaced.

    ``head_channels`` is accepted among ``overrides`` for ``head.channels``. None leaves a field alone.

    Raises:
        SpaceError: if there is no such space or the definition is wrong; the message names the field.
    """
    data = _read(source)
    changes = {name: value for name, value in overrides.items() if value is not None}
    if "head_channels" in changes:
        channels, head = changes.pop("head_channels"), data.get("head")
        if head is None or isinstance(head, dict):  # anything else is refused below, by its name
            data["head"] = {**(head or {}), "channels": channels}
    return parse_definition({**data, **changes}, source=source)


def parse_definition(data: Any, *, source: str) -> SpaceDefinition:
    """A space's definition from parsed YAML; ``source`` is named in errors.

    Raises:
        SpaceError: naming the first wrong field.
    """
    try:
        return SpaceDefinition.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SpaceError(f"space {source}: {place}: {first['msg']}") from None


def load_space(source: str, **overrides: int | float | bool | str | None) -> LayerwiseSpace:
    """The space of a preset's name or a YAML file; see :func:`load_definition`.

    >>> load_space("fbnet").num_architectures == 9**22
    True
    """
    return load_definition(source, **overrides).build()


def _read(source: str) -> dict[str, Any]:
    if source in preset_names():
        text = (resources.files("fbsearch.spaces") / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        try:
            text = Path(source).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise SpaceError(
                f"space {source!r} is neither a preset ({', '.join(preset_names())}) "
                f"nor a readable YAML file: {error}"
            ) from None
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise SpaceError(f"space {source}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise SpaceError(f"space {source}: must be a mapping with 'name', 'resolution', 'stages', …")
    return data
