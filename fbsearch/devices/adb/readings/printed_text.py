"""Text that a tool printed: its lines, its numbers, and how an error quotes it.

Nothing here trusts its input: it may be megabytes long, binary, cut anywhere.
"""

from __future__ import annotations

import math
import re

_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_QUOTED_CHARACTERS = 160


def lines_of(text: str) -> list[str]:
    """The lines of ``text`` but for empty ones; only a newline ends one, unlike with ``str.splitlines``."""
    return [line.rstrip("\r") for line in text.split("\n") if line]


def quoted(line: str) -> str:
    """``line`` for an error message: in quotes, shortened, every unprintable character escaped."""
    cut = len(line) > _QUOTED_CHARACTERS
    return repr(line[:_QUOTED_CHARACTERS]) + ("…" if cut else "")


def whole_number(text: str) -> int | None:
    """A non-negative integer of at most 18 digits, or None for anything else."""
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal_number(text: str) -> float | None:
    """A non-negative finite number, with or without an exponent, or None for anything else."""
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def close_to(a: float, b: float, *, relative: float, absolute: float = 0.0) -> bool:
    """Whether two figures are the same number but for rounding."""
    return abs(a - b) <= relative * max(abs(a), abs(b)) + absolute
