"""JSON that others may have made: bounded in depth and digits, and text that can be written again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fbsearch.errors import MalformedJsonError, UnreadableFileError
from fbsearch.files.bounds import MAX_DEPTH, MAX_DIGITS, check_text
from fbsearch.files.reading import JSON_BYTES, read_text

_NUMBER_DIGITS = 4300
"""Where Python itself ends."""

Pairs = list[tuple[str, Any]]


def read_json(path: Path, *, most_bytes: int = JSON_BYTES) -> Any:
    """The content of a JSON file.

    Raises:
        MissingFileError: if there is no such file.
        UnreadableFileError: if it cannot be read, or is no JSON as :func:`parse_json` takes it.
    """
    return parse_json(read_text(path, most_bytes=most_bytes))


def parse_json(
    text: str, *, make_object: Callable[[Pairs], Any] | None = None, allow_nan: bool = False
) -> Any:
    """The content of a JSON text.

    Args:
        text: JSON.
        make_object: makes an object of its names and values, in place of ``dict``.
        allow_nan: take ``NaN`` and infinities, ``1e999`` among them, which Python's own writer makes and
            JSON does not have: for those who look at each number themselves.

    Raises:
        MalformedJsonError: if it is none, on one line.
        UnreadableFileError: if it is nested deeper than :data:`MAX_DEPTH`, or holds a whole number of more
            than :data:`MAX_DIGITS` digits or half a character (a lone surrogate).
    """
    try:
        data = json.loads(
            text,
            object_pairs_hook=make_object,
            parse_int=_any_whole_number if allow_nan else _whole_number,
            parse_float=None if allow_nan else _number,
            parse_constant=None if allow_nan else _refused,
        )
    except json.JSONDecodeError as error:
        reason = f"not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise MalformedJsonError(reason) from None
    except RecursionError:
        raise _too_deep() from None
    _check(data)
    return data


def _whole_number(text: str) -> int:
    return int(_few_digits(text, MAX_DIGITS))


def _any_whole_number(text: str) -> int | float:
    """A long one as a float, which may be infinite, as ``1e999`` is."""
    is_long = len(text.lstrip("-")) > MAX_DIGITS
    return float(_few_digits(text, _NUMBER_DIGITS)) if is_long else int(text)


def _few_digits(text: str, most: int) -> str:
    num_digits = len(text.lstrip("-"))
    if num_digits > most:
        raise UnreadableFileError(
            f"a number of {num_digits:,} digits, the size of none: {most:,} are allowed"
        )
    return text


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise UnreadableFileError(f"a number beyond all bounds: {text[:40]}")
    return value


def _refused(name: str) -> float:
    raise UnreadableFileError(f"{name}, which is no number")


def _check(data: Any) -> None:
    """Depth and texts, level by level."""
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH + 1):
        for value in level:
            if isinstance(value, str):
                check_text(value)
            elif isinstance(value, dict):
                for name in value:
                    check_text(name)
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    raise _too_deep()


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> UnreadableFileError:
    return UnreadableFileError(f"nested more than {MAX_DEPTH} levels deep")
