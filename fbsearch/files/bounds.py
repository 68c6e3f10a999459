"""What no honest text of ours exceeds."""

from __future__ import annotations

from fbsearch.errors import UnreadableFileError

MAX_DEPTH = 100
"""Levels of lists and mappings within one another. A search's checkpoint has some thirty."""

MAX_DIGITS = 80
"""Of a number; the state of a random generator has 39. Well below what no longer fits into a float."""


def check_text(text: str) -> None:
    """Make sure that a text can be written.

    Raises:
        UnreadableFileError: if it holds half a character.
    """
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableFileError(f"a text with half a character, {text[error.start]!a}") from None
