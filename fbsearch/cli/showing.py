"""Text that came from elsewhere, as a terminal may have it: names of folders, what files and devices said."""

from __future__ import annotations

import logging
import unicodedata

MAX_CHARACTERS = 1_000
"""Of a line. The longest of our own say some 500."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what moves the cursor, turns the direction of writing or is no character at all."""


def one_line(text: str) -> str:
    """``text`` on one line of bounded length, with control characters as they are escaped in Python.

    The end is kept, where messages say what to do.

    >>> one_line("folder \\x1b[2J:\\n  not there")
    'folder \\\\x1b[2J: not there'
    """
    line = escaped(" ".join(text.split()))
    if len(line) <= MAX_CHARACTERS:
        return line
    tail = MAX_CHARACTERS // 3
    return f"{line[: MAX_CHARACTERS - tail - 3]} … {line[-tail:]}"


def escaped(text: str) -> str:
    """``text`` with what could not be seen, ends of lines apart, as an escape sequence."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_seen(character) for character in text)


class OneLine(logging.Formatter):
    """Messages of the log, told as others are."""

    def format(self, record: logging.LogRecord) -> str:
        """The message alone."""
        return one_line(record.getMessage())


def _seen(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _INVISIBLE:
        return character
    return character.encode("unicode_escape").decode()
