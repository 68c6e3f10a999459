"""Commands that outlive their connection, found again by a mark in their environment.

When a stream of shell protocol 2 closes, adbd hangs up on the shell alone: what the shell started lives on,
and a benchmark that does would slow down its own repetition. The mark, and not a process id, names it:
after a reboot an id may belong to something else.
"""

from __future__ import annotations

import re

_VARIABLE = "FBSEARCH_CALL"
_PREFIX = re.compile(rf"export {_VARIABLE}=[0-9a-f]+\n")


def marked(command: str, mark: str) -> str:
    """A shell text whose processes carry ``mark``, hexadecimal digits, in their environment."""
    assert re.fullmatch("[0-9a-f]+", mark)
    return f"export {_VARIABLE}={mark}\n{command}"


def unmarked(command: str) -> str:
    """The text that :func:`marked` was given, for messages."""
    return _PREFIX.sub("", command, count=1)


def ending(mark: str) -> str:
    """A shell text that kills the processes that carry ``mark``, where the device lets us see them."""
    return (
        f"for file in $(grep -l {_VARIABLE}={mark} /proc/[0-9]*/environ 2>/dev/null); do "
        'id=${file#/proc/}; kill -9 "${id%/environ}" 2>/dev/null; done; true'
    )
