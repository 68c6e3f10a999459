"""Ends that come from outside: signals that end a command as Ctrl-C does, and readers that have gone."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_REPEAT_S = 10.0
"""A second signal within this time is the same one told twice, as a closed terminal and its shell do."""


class Terminated(KeyboardInterrupt):
    """A signal asked the command to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class _Ending:
    """Turns a signal into :class:`Terminated`, once in a while."""

    def __init__(self) -> None:
        self._last_s = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < _REPEAT_S:
            return
        self._last_s = now_s
        if number != signal.SIGTERM:  # the terminal has gone: what is told from here on would only fail
            reader_has_gone()
        raise Terminated(number)


@contextmanager
def in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP raise :class:`Terminated` within; those that someone else handles or ignores do not.

    ``nohup`` ignores SIGHUP, and it stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    ending = _Ending()
    for number in ours:
        signal.signal(number, ending)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def reader_has_gone() -> bool:
    """Whether whoever read what we print, such as ``head``, reads no more; what goes there is lost then."""
    closed = [one for one in (1, 2) if _is_closed(one)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for one in closed:
        os.dup2(nowhere, one)  # even Python's own end would complain of what it cannot flush
    os.close(nowhere)
    return bool(closed)


def _is_closed(descriptor: int) -> bool:
    """Whether it is a pipe without a reader, or a terminal that has hung up."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def flush() -> None:
    """Print what is held back, so that it fails here rather than at Python's end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
