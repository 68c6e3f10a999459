"""The parts of an operator's key: how one field is written, and read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_COUNT = r"\d{1,9}"


@dataclass(frozen=True)
class KeyPart:
    """One field in a key: a prefix and the value.

    Args:
        field: of the operator.
        prefix: before the value.
        value_pattern: what the value looks like, as a regular expression.
        parse: text to value.
        default: a value that is not written; None writes all.
    """

    field: str
    prefix: str = ""
    value_pattern: str = _COUNT
    parse: Callable[[str], Any] = int
    default: Any = None

    @property
    def pattern(self) -> str:
        """The part as an optional group of a regular expression, named by the field."""
        return rf"(?:_{self.prefix}(?P<{self.field}>{self.value_pattern}))?"

    def write(self, value: Any) -> str:
        """The part's text; empty for a value that is not written."""
        if self.default is not None and value == self.default:
            return ""
        return f"{self.prefix}{value:g}" if isinstance(value, float) else f"{self.prefix}{value}"


@dataclass(frozen=True)
class Flag(KeyPart):
    """A field that is written as one word where it is set."""

    value_pattern: str = ""
    parse: Callable[[str], Any] = lambda text: True
    default: Any = False

    def write(self, value: Any) -> str:
        """The word, or nothing."""
        return self.prefix if value else ""


KERNEL = KeyPart("kernel", "k")
GROUPS = KeyPart("groups", "g", default=1)
STRIDE = KeyPart("stride", "s", value_pattern=r"\d")
ACTIVATION = KeyPart("activation", value_pattern="identity|relu6|relu|hswish|swish", parse=str)
NUM_INPUTS = KeyPart("num_inputs", "n")
