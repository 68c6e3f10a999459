"""``module:function``: a function of a user's own, by its name."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fbsearch.errors import FbsearchError, InvalidInputError

_NAME = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")


def is_function_name(text: str) -> bool:
    """Whether a text has the form ``module:function``.

    >>> is_function_name("models.teachers:large"), is_function_name("runs/large")
    (True, False)
    """
    return _NAME.fullmatch(text) is not None


def find_function(name: str) -> Callable[[], Any]:
    """The function of a name; its module is imported, from the working folder too.

    Raises:
        InvalidInputError: if there is none.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidInputError(f"{name!r} names no function: write module:function, such as models:large")
    try:
        with _working_folder_importable():
            module = importlib.import_module(match["module"])
    except FbsearchError:
        raise
    except Exception as error:  # whatever a user's module raises
        raise InvalidInputError(
            f"{name}: module {match['module']!r} does not import: {_reason(error)}"
        ) from error
    function = getattr(module, match["function"], None)
    if not callable(function):
        kind = "no function" if function is None else f"a {type(function).__name__}, no function,"
        raise InvalidInputError(f"{name}: there is {kind} {match['function']!r} in {module.__name__}")
    return function  # type: ignore[no-any-return]  # callable


def call_function(name: str) -> Any:
    """What the function of a name returns when it is called without arguments.

    Raises:
        InvalidInputError: if there is none, or it raises.
    """
    function = find_function(name)
    try:
        with _working_folder_importable():
            return function()
    except FbsearchError:
        raise
    except Exception as error:  # whatever a user's function raises
        raise InvalidInputError(f"{name}() failed: {_reason(error)}") from error


@contextmanager
def _working_folder_importable() -> Iterator[None]:
    """Modules beside the user are found, after those that Python finds anyway."""
    folder = str(Path.cwd())
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
