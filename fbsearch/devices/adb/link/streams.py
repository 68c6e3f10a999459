"""A stream of bytes to a service on the device, with one deadline for a whole call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Deadline:
    """A moment after which nobody waits any more.

    Args:
        timeout_s: seconds from now.
        clock: monotonic seconds.
    """

    def __init__(self, timeout_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout_s = timeout_s
        self._clock = clock
        self._end = clock() + timeout_s

    def remaining(self) -> float:
        """Seconds that are left, more than 0.

        Raises:
            TimeoutError: if none are.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.timeout_s:g} s")
        return left

    def at_least(self, seconds: float) -> Deadline:
        """This deadline, or one so many seconds from now where it is sooner: to finish what has begun."""
        return Deadline(max(self._end - self._clock(), seconds), clock=self._clock)


class Stream(Protocol):
    """An open service on the device. Times out with TimeoutError, at the deadline it was opened with."""

    def read(self) -> bytes:
        """Wait for the next bytes; empty once the device has closed the stream."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            EOFError, OSError: if the device has closed the stream.
        """
        ...

    def poll(self) -> bool:
        """Whether :meth:`read` would return at once."""
        ...

    def close(self) -> None:
        """End the service; a command that still runs is hung up on."""
        ...


class Reader:
    """Reads pieces of given length from a stream, however it was fragmented."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes.

        Raises:
            EOFError: if the stream ends before.
        """
        while len(self._buffer) < count:
            data = self._stream.read()
            if not data:
                raise EOFError("the device closed the stream in the middle of an answer")
            self._buffer += data
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def poll(self) -> bool:
        """Whether bytes are there to be read without waiting."""
        return bool(self._buffer) or self._stream.poll()
