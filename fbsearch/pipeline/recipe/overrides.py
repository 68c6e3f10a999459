"""Settings from what people write: mappings and ``name=value`` overrides, refused in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fbsearch.errors import RecipeError, UnreadableFileError
from fbsearch.files import parse_yaml

_Model_co = TypeVar("_Model_co", bound=BaseModel)


def settings_from(
    model: type[_Model_co], overrides: Sequence[str], *, source: str, **given: str
) -> _Model_co:
    """Settings of a single stage from ``name=value`` overrides of their defaults and what is given.

    Raises:
        RecipeError: naming the first wrong field.
    """
    return validate_settings(model, apply_overrides(given, overrides), source=source)


def validate_settings(model: type[_Model_co], data: Mapping[str, Any], *, source: str) -> _Model_co:
    """``data`` as a ``model``, with pydantic's first complaint as one line.

    Raises:
        RecipeError: naming the first wrong field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        given = f", given {first['input']!r}" if not isinstance(first["input"], dict) else ""
        where = f"{source}: {place}" if place else source
        raise RecipeError(f"{where}: {first['msg'].removeprefix('Value error, ')}{given}") from None


def apply_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``data`` with each ``a.b=c`` applied; ``c`` is read as YAML.

    Raises:
        RecipeError: if an override is not of that form.
    """
    changed = dict(data)
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not all(path.split(".")):
            raise RecipeError(f"--set {override!r}: write NAME=VALUE, such as search.epochs=5")
        try:
            value = parse_yaml(text)
        except UnreadableFileError as error:
            raise RecipeError(f"--set {override!r}: {text!r} is no YAML value: {error}") from None
        _assign(changed, path.split("."), value, override)
    return changed


def _assign(data: dict[str, Any], path: Sequence[str], value: Any, override: str) -> None:
    """Set ``data[path[0]][path[1]]…``, copying every mapping and list on the way."""
    group: Any = data
    for name in path[:-1]:
        key: Any = _key(group, name, override)
        inner = group[key] if isinstance(group, list) else group.get(key)
        if inner is not None and not isinstance(inner, (Mapping, list)):
            raise RecipeError(f"--set {override!r}: {name!r} is a value, not a group of settings")
        group[key] = list(inner) if isinstance(inner, list) else dict(inner or {})
        group = group[key]
    group[_key(group, path[-1], override)] = value


def _key(group: Any, name: str, override: str) -> str | int:
    """The key that ``name`` is in a group of settings: in a list, a number from 0."""
    if not isinstance(group, list):
        return name
    if not name.isdecimal() or int(name) >= len(group):
        raise RecipeError(
            f"--set {override!r}: {name!r} is none of the list's {len(group)} entries, which count from 0"
        )
    return int(name)
