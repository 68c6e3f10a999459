"""Room for pixels: what is decoded at once, in however many threads, together stays within a bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Room:
    """So many pixels at a time; whoever finds too little room waits.

    Args:
        num_pixels: of all that are taken at once; nobody may ask for more.
    """

    def __init__(self, num_pixels: int) -> None:
        self._free = num_pixels
        self._changed = Condition()

    @contextmanager
    def taken(self, num_pixels: int) -> Iterator[None]:
        """Room for ``num_pixels`` within."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= num_pixels)
            self._free -= num_pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += num_pixels
                self._changed.notify_all()
