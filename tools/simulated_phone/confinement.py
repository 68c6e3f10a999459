"""Keeping the shell's processes inside their folder, by the kernel's Landlock where it is there.

Mapping paths in the text of a command is enough for commands that mean well. A command that builds a path, or
that a hostile name has turned into another, must not write outside either: Landlock restricts one thread and
whatever it starts, without any privilege.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_MAKE_AND_REMOVE = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13
_SCOPE_SIGNAL = 1 << 1
_FIRST_WITH_SIGNALS = 6


class ConfinedThread:
    """A thread that may write only below some folders, and runs what others hand to it.

    Processes that it starts inherit its limits, and share them: they may signal each other, but no others.
    """

    def __init__(self, writable: list[Path]) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writable = writable
        self.is_confined = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(started,), name="confined", daemon=True)
        self._thread.start()
        started.wait()

    def run(self, function: Callable[[], Result]) -> Result:
        """Call a function on the confined thread and get its result or its exception."""
        outcome: queue.SimpleQueue[tuple[Result | None, Exception | None]] = queue.SimpleQueue()

        def task() -> None:
            try:
                outcome.put((function(), None))
            except Exception as error:
                outcome.put((None, error))

        self._tasks.put(task)
        result, error = outcome.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """End the thread."""
        self._tasks.put(None)

    def _work(self, started: threading.Event) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.is_confined = _confine_this_thread(self._writable)
        started.set()
        while (task := self._tasks.get()) is not None:
            task()


def _confine_this_thread(writable: list[Path]) -> bool:
    """Restrict writing to these folders and /dev; False where the kernel offers no Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 3:  # truncation is not covered before
        return False
    rights = _WRITE_FILE | _MAKE_AND_REMOVE | _REFER | _TRUNCATE
    attributes = struct.pack("<QQQ", rights, 0, _SCOPE_SIGNAL if version >= _FIRST_WITH_SIGNALS else 0)
    size = len(attributes) if version >= _FIRST_WITH_SIGNALS else 8
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        for folder in writable:
            _allow(libc, ruleset, folder, rights)
        _allow(libc, ruleset, Path("/dev"), _WRITE_FILE | _TRUNCATE)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, folder: Path, rights: int) -> None:
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        libc.syscall(
            _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("<Qi", rights, parent), ctypes.c_uint32(0)
        )
    finally:
        os.close(parent)
