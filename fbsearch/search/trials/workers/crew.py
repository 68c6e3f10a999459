"""A crew: whoever applies a function to the items of a generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Workers = int | Literal["ray"]
"""How many processes, or a Ray cluster's."""

Done = Callable[[int], None]
"""Told how many items are done."""


class Crew(Protocol):
    """Applies a pure function to items, in whatever order; each by one thread of torch.

    Since every item is computed alike, the results depend on neither the kind nor the size of a crew. A
    worker that dies costs what it was computing, which another one then computes.
    """

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item], done: Done) -> list[_Result]:
        """The function's results, in the order of the items.

        Args:
            function: of a module that workers can import.
            items: that pickle.
            done: told as items are done.

        Raises:
            WorkerError: if workers die again and again.
        """
