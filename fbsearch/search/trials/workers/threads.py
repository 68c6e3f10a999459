"""What every worker does: one item, by one thread of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fbsearch.nn.threads import one_thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def with_one_thread(function: Callable[[_Item], _Result], item: _Item) -> _Result:
    """The function's result, computed by one thread: its rounding depends on nobody's number of threads."""
    with one_thread():
        return function(item)
