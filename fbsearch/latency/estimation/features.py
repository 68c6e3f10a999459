"""What tells operators apart to a model of their latency: work, shapes and choices, whatever the kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fbsearch.architecture import Operator

FloatArray = NDArray[np.float64]

Group = tuple[str, ...]
"""Operators that may be estimated from one another: of one kind, alike in all that is no number."""

Form = tuple[str, int]
"""How multiply-adds are done, such as ``("grouped", 7)``: the sort of convolution, and its kernel."""

_PLACE = ("in_channels", "out_channels", "resolution")


@dataclass(frozen=True)
class Work:
    """What an operator computes and moves, as counted by whoever can build it.

    Args:
        num_macs: multiply-adds by form. Runtimes have fast code for some kernels and slow code for others.
        num_layers: convolutions and linear layers.
        num_params: weights and biases of them.
        memory_access: elements that they read and write, weights included.
    """

    num_macs: Mapping[Form, int]
    num_layers: int
    num_params: int
    memory_access: int


CountWork = Callable[[Operator], Work]
"""An operator to its work; counting takes torch, which this room does without."""


@dataclass(frozen=True)
class Described:
    """An operator in numbers.

    Args:
        operator: itself.
        work: what it computes and moves.
    """

    operator: Operator
    work: Work

    @property
    def group(self) -> Group:
        """Its kind, and its choices that are no numbers, such as an activation."""
        texts = [value for value in self._fields.values() if isinstance(value, str)]
        return (self.operator.kind, *texts)

    @cached_property
    def num_elements(self) -> int:
        """Of its inputs and its output."""
        shapes = (*self.operator.inputs, self.operator.output)
        return sum(shape.num_elements for shape in shapes)

    def amounts(self, forms: Sequence[Form]) -> list[float]:
        """``P``: what time may be proportional to, beginning with one call."""
        work = self.work
        fixed = [1, work.num_layers, work.memory_access, self.num_elements, work.num_params]
        return [float(one) for one in (*fixed, *(work.num_macs.get(form, 0) for form in forms))]

    @cached_property
    def extents(self) -> FloatArray:
        """``E``: logarithms of work and shapes, by which one is inside or outside of what is known."""
        work, operator = self.work, self.operator
        amounts = [sum(work.num_macs.values()), work.memory_access, self.num_elements, work.num_params]
        shapes = [
            operator.in_channels,
            operator.out_channels,
            operator.resolution,
            operator.output.resolution,
        ]
        logs: FloatArray = np.log1p(np.array([*amounts, *shapes], float))
        return logs

    @cached_property
    def choices(self) -> dict[str, float]:
        """Logarithms by name: multiply-adds by sort, and the fields that are numbers, places apart."""
        values = {name: value for name, value in self._fields.items() if not isinstance(value, str)}
        values["stride"] = float(self.operator.stride)
        for (sort, _), num_macs in self.work.num_macs.items():
            values[f"{sort} macs"] = values.get(f"{sort} macs", 0.0) + num_macs
        return {name: math.log1p(value) for name, value in values.items()}

    @cached_property
    def _fields(self) -> dict[str, str | float]:
        operator = self.operator
        values = {one.name: getattr(operator, one.name) for one in fields(operator) if one.name not in _PLACE}
        return {
            name: value if isinstance(value, str) else float(value)
            for name, value in values.items()
            if isinstance(value, (str, int, float))
        }


@dataclass(frozen=True)
class Columns:
    """What the columns of a model's matrices stand for.

    Args:
        forms: of multiply-adds.
        choices: by name.
        groups: a flag for each.
    """

    forms: tuple[Form, ...]
    choices: tuple[str, ...]
    groups: tuple[Group, ...]

    @staticmethod
    def of(described: Sequence[Described]) -> Columns:
        """Those that some operators need."""
        forms = {form for one in described for form in one.work.num_macs}
        names = {name for one in described for name in one.choices}
        groups = {one.group for one in described}
        return Columns(tuple(sorted(forms)), tuple(sorted(names)), tuple(sorted(groups)))

    def amounts(self, described: Sequence[Described]) -> FloatArray:
        """``N x P``: what time may be proportional to."""
        return np.array([one.amounts(self.forms) for one in described], float)

    def features(self, described: Sequence[Described]) -> FloatArray:
        """``N x D``: extents, choices and groups; a choice that a kind does not have is 0."""
        return np.array([self._row(one) for one in described], float)

    def _row(self, one: Described) -> list[float]:
        choices = [one.choices.get(name, 0.0) for name in self.choices]
        flags = [float(one.group == group) for group in self.groups]
        return [*one.extents.tolist(), *choices, *flags]
