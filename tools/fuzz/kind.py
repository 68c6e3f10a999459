"""What is tried: a kind of file, or of what a phone prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.fuzz.contents import Change

SLOW_S = 5.0


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Args:
        name: of the kind.
        path: where a sound file lies, which changed ones take the place of.
        change: with knowledge of its structure.
        read: everything that is done with such a file.
        every: it comes up in every so many rounds of all kinds; more for one that takes long.
        most_s: longer is a hang.
    """

    name: str
    path: Path
    change: Change
    read: Callable[[Path], Any]
    every: int = 1
    most_s: float = SLOW_S
