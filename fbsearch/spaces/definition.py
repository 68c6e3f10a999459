"""A space as people write it: YAML in, a space out; ``kind`` says which sort of space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fbsearch.architecture import MAX_SIZE
from fbsearch.errors import ArchitectureError, SpaceError, UnreadableFileError
from fbsearch.files import parse_yaml, read_text
from fbsearch.spaces.space import Space

Count = Annotated[int, Field(ge=1, le=MAX_SIZE, strict=True)]
"""A whole number from 1; strict, since YAML's ``yes`` would else pass for 1."""


MAX_CANDIDATES = 50_000
"""Of all places together; FBNet's space has 198, DARTS' 2,240."""


def check_num_candidates(number: int) -> None:
    """Refuse a space that would take minutes to write out.

    Raises:
        ValueError: which pydantic turns into the definition's error.
    """
    if number > MAX_CANDIDATES:
        raise ValueError(
            f"{number:,} candidates in all places together; {MAX_CANDIDATES:,} are allowed: "
            "give it fewer layers or candidates"
        )


class DefinitionPart(BaseModel):
    """A part of a definition: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SpaceDefinition(DefinitionPart, ABC):
    """What all kinds of spaces say of themselves; see docs/spaces.md.

    A kind adds its own fields, ``kind`` with its name, and ``_build``; :func:`space_kind` makes it known.

    Args:
        name: letters, digits, ``-``, ``_`` and ``.``: it becomes part of file names.
        resolution: height and width of the input in pixels.
        in_channels: channels of the input.
        num_classes: classes to tell apart.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    resolution: Count
    in_channels: Count = 3
    num_classes: Annotated[int, Field(ge=2, le=MAX_SIZE, strict=True)]

    @abstractmethod
    def _build(self) -> Space: ...

    def figures(self) -> dict[str, int]:
        """Counts that its kind has beside those of every space, by name."""
        return {}

    def build(self) -> Space:
        """The space this describes.

        Raises:
            SpaceError: if there is nothing to choose somewhere, or a block cannot be built.
        """
        try:
            return self._build()
        except (ArchitectureError, SpaceError) as error:
            where = f"space {self.name!r}: "
            raise SpaceError(where + str(error).removeprefix(where)) from None


_DEFAULT_KIND = "layerwise"
_KINDS: dict[str, type[SpaceDefinition]] = {}
_Definition = TypeVar("_Definition", bound=type[SpaceDefinition])


def space_kind(name: str) -> Callable[[_Definition], _Definition]:
    """Make a kind of space known by the name that YAML files give as ``kind``."""

    def register(definition: _Definition) -> _Definition:
        _KINDS[name] = definition
        return definition

    return register


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
    kind = data.get("kind", _DEFAULT_KIND) if isinstance(data, dict) else _DEFAULT_KIND
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SpaceError(f"space {source}: kind {kind!r}: allowed are {', '.join(sorted(_KINDS))}")
    try:
        return _KINDS[kind].model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SpaceError(f"space {source}: {place}: {first['msg']}") from None


def load_space(source: str, **overrides: int | float | bool | str | None) -> Space:
    """The space of a preset's name or a YAML file; see :func:`load_definition`.

    >>> load_space("fbnet").size == 9**22
    True
    """
    return load_definition(source, **overrides).build()


def _read(source: str) -> dict[str, Any]:
    if source in preset_names():
        text = (resources.files("fbsearch.spaces") / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        try:
            text = read_text(Path(source))
        except UnreadableFileError as error:
            raise SpaceError(
                f"space {source!r} is neither a preset ({', '.join(preset_names())}) "
                f"nor a readable YAML file: {error}"
            ) from None
    try:
        data = parse_yaml(text)
    except UnreadableFileError as error:
        raise SpaceError(f"space {source}: not YAML: {error}") from None
    if not isinstance(data, dict):
        raise SpaceError(f"space {source}: must be a mapping with 'name', 'resolution', 'stages', …")
    return data
