"""Where branches of a graph meet, or end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fbsearch.architecture.operators.checks import width_problem
from fbsearch.architecture.operators.key import NUM_INPUTS, STRIDE, KeyPart
from fbsearch.architecture.operators.operator import Operator, register
from fbsearch.architecture.shape import Shape

MAX_INPUTS = 64


@dataclass(frozen=True)
class _Join(Operator):
    key_parts: ClassVar[tuple[KeyPart, ...]] = (NUM_INPUTS,)

    num_inputs: int = 2

    @property
    def inputs(self) -> tuple[Shape, ...]:
        """As many shapes, all the same."""
        return (Shape(self.in_channels, self.resolution),) * self.num_inputs

    @property
    def has_weights(self) -> bool:
        """It learns nothing."""
        return False

    def _problem(self) -> str | None:
        if not 2 <= self.num_inputs <= MAX_INPUTS:
            return f"num_inputs must lie between 2 and {MAX_INPUTS}, not {self.num_inputs}"
        return self._width_problem()

    def _width_problem(self) -> str | None:
        return width_problem(self.in_channels, self.out_channels)


@register
@dataclass(frozen=True)
class Add(_Join):
    """The sum of several feature maps.

    >>> Add(16, 16, 8, num_inputs=3).key
    'add_n3_c16-16_r8'
    """

    kind: ClassVar[str] = "add"

    @property
    def is_sum(self) -> bool:
        """It is."""
        return True

    @property
    def label(self) -> str:
        """``+``."""
        return "+"


@register
@dataclass(frozen=True)
class Concat(_Join):
    """Several feature maps one after the other; ``in_channels`` is that of each.

    >>> Concat(16, 48, 8, num_inputs=3).key
    'concat_n3_c16-48_r8'
    """

    kind: ClassVar[str] = "concat"

    @property
    def label(self) -> str:
        """``concat``."""
        return "concat"

    def _width_problem(self) -> str | None:
        expected = self.in_channels * self.num_inputs
        return None if self.out_channels == expected else f"the output has {expected} channels"


@register
@dataclass(frozen=True)
class Zero(Operator):
    """No connection: zeros of the output's shape, whatever comes in.

    Args:
        stride: 1 or 2.
    """

    kind: ClassVar[str] = "zero"
    key_parts: ClassVar[tuple[KeyPart, ...]] = (STRIDE,)

    stride: int = 1

    @property
    def is_free(self) -> bool:
        """A constant takes no time."""
        return True

    @property
    def has_weights(self) -> bool:
        """It learns nothing."""
        return False

    @property
    def is_constant(self) -> bool:
        """Zeros, whatever comes in."""
        return True

    @property
    def label(self) -> str:
        """``none``."""
        return "none"

    def _problem(self) -> str | None:
        return width_problem(self.in_channels, self.out_channels)
