"""The operator: one block at one place of a network, as a value.

An :class:`Operator` is at once the key of a latency table, the argument of the block builder, the unit of a
search space and the unit of an architecture. It prints as, and parses from, a readable key. Each kind is a
frozen class in a file of its own, registered by the first word of its key.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args

from fbsearch.architecture.operators.key import KeyPart
from fbsearch.architecture.shape import Shape
from fbsearch.errors import ArchitectureError

Activation = Literal["identity", "relu", "relu6", "hswish", "swish"]

ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

MAX_SIZE = 999_999_999

MAX_BYTES = 32 * 2**30
"""Of an operator, and of the weights of a network: more than any phone has."""

BYTES_PER_NUMBER = 4

_PLACE = r"_c(?P<in_channels>\d{1,9})-(?P<out_channels>\d{1,9})_r(?P<resolution>\d{1,9})"
_SIZES = (
    "in_channels",
    "out_channels",
    "resolution",
    "kernel",
    "expansion",
    "groups",
    "ratio",
    "num_inputs",
    "hidden",
)

_Kind_co = TypeVar("_Kind_co", bound="type[Operator]")


@dataclass(frozen=True)
class Operator(ABC):
    """What all kinds have in common.

    A kind is a frozen dataclass with fields of its own behind these, ``kind``, ``key_parts``, :attr:`label`,
    and whatever else differs from the defaults here; :func:`register` makes it known.

    Args:
        in_channels: channels of an input.
        out_channels: channels of the output; of a classifier the number of classes.
        resolution: height and width of the square inputs in pixels.

    Raises:
        ArchitectureError: if the fields do not describe a block that can be built.
    """

    kind: ClassVar[str]
    """First word of the key: lower-case letters."""

    key_parts: ClassVar[tuple[KeyPart, ...]] = ()
    """How the fields that the kind adds are written, in their order in the key."""

    in_channels: int
    out_channels: int
    resolution: int

    def __post_init__(self) -> None:
        problem = _range_problem(self) or self._problem() or _bytes_problem(self)
        if problem:
            raise ArchitectureError(f"operator {self.key}: {problem}")

    @property
    def stride(self) -> int:
        """By which the resolution is divided; a field of those kinds that have a choice."""
        return 1

    @property
    def inputs(self) -> tuple[Shape, ...]:
        """Shapes of the inputs, in order."""
        return (Shape(self.in_channels, self.resolution),)

    @property
    def output(self) -> Shape:
        """Shape of the output: 'same' padding, so ceil(resolution / stride)."""
        return Shape(self.out_channels, -(-self.resolution // self.stride))

    @property
    def block(self) -> Hashable:
        """What is chosen, without its place: all fields but channels, resolution and stride."""
        return (self.kind, *(getattr(self, name) for name in self._choice_fields()))

    @property
    def is_identity(self) -> bool:
        """Whether the output is the input itself, which costs nothing by definition."""
        return False

    @property
    def is_free(self) -> bool:
        """Whether it takes no time by definition, so that no table holds it."""
        return self.is_identity

    @property
    def is_constant(self) -> bool:
        """Whether the output does not depend on the inputs."""
        return False

    @property
    def is_sum(self) -> bool:
        """Whether the output is the sum of the inputs: where all but one are zero, it is that one."""
        return False

    @property
    def has_weights(self) -> bool:
        """Whether it learns; two that do not give the same for the same inputs, and are computed once."""
        return True

    @property
    def num_weights(self) -> int:
        """Of its kernels, biases and norms apart: what cannot be is refused by it before it is built."""
        return 0

    @property
    def has_residual(self) -> bool:
        """Whether the block adds its input to its output."""
        return False

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name for people, such as ``k5 e6``."""

    @property
    def key(self) -> str:
        """Readable, canonical text, e.g. ``mbconv_k3_e6_s2_relu_c16-24_r112``."""
        written = (part.write(getattr(self, part.field)) for part in self.key_parts)
        parts = [self.kind, *(text for text in written if text)]
        return "_".join([*parts, f"c{self.in_channels}-{self.out_channels}", f"r{self.resolution}"])

    @staticmethod
    def from_key(key: str) -> Operator:
        """The operator that prints as ``key``.

        >>> Operator.from_key("skip_s1_c24-24_r56").is_identity
        True

        Raises:
            ArchitectureError: if ``key`` is not the canonical text of an operator.
        """
        kind = _KINDS.get(key.partition("_")[0]) if isinstance(key, str) else None
        match = None if kind is None else _pattern(kind).fullmatch(key)
        if kind is None or match is None:
            raise ArchitectureError(
                f"{key!r} is no operator key; one looks like 'mbconv_k3_e6_s2_relu_c16-24_r112'"
            )
        operator = kind(**kind._fields_from(match))
        if operator.key != key:
            raise ArchitectureError(f"operator key {key!r} is not canonical; write {operator.key!r}")
        return operator

    def __str__(self) -> str:
        return self.key

    def _problem(self) -> str | None:
        """What makes the kind's own fields impossible to build, or None."""
        return None

    @classmethod
    def _choice_fields(cls) -> tuple[str, ...]:
        return tuple(
            field.name
            for field in fields(cls)
            if field.name not in ("in_channels", "out_channels", "resolution", "stride")
        )

    @classmethod
    def _fields_from(cls, match: re.Match[str]) -> dict[str, Any]:
        values: dict[str, Any] = {
            name: int(match[name]) for name in ("in_channels", "out_channels", "resolution")
        }
        for part in cls.key_parts:
            if match[part.field] is not None:
                values[part.field] = part.parse(match[part.field])
        return values


def register(kind: _Kind_co) -> _Kind_co:
    """Make a kind of operator known: its keys parse from here on.

    Raises:
        ValueError: if another class has this kind already.
    """
    known = _KINDS.setdefault(kind.kind, kind)
    if known.__qualname__ != kind.__qualname__:
        raise ValueError(f"operator kind {kind.kind!r} is {known.__qualname__} already")
    _KINDS[kind.kind] = kind
    return kind


def registered_kinds() -> tuple[type[Operator], ...]:
    """Every kind that is known, in the order in which they were registered."""
    return tuple(_KINDS.values())


_KINDS: dict[str, type[Operator]] = {}


def _pattern(kind: type[Operator]) -> re.Pattern[str]:
    parts = "".join(part.pattern for part in kind.key_parts)
    return re.compile(re.escape(kind.kind) + parts + _PLACE, re.ASCII)


def _range_problem(op: Operator) -> str | None:
    """A number out of range among the fields that kinds share, or None."""
    for name in _SIZES:
        value = getattr(op, name, 1)
        if not 1 <= value <= MAX_SIZE:
            return f"{name} must lie between 1 and {MAX_SIZE:,}, not {value}"
    if op.stride not in (1, 2):
        return f"stride must be 1 or 2, not {op.stride}"
    kernel = getattr(op, "kernel", 1)  # not every kind has one
    if kernel % 2 == 0:
        return f"kernel must be odd, not {kernel}"
    activation = getattr(op, "activation", "identity")
    if activation not in ACTIVATIONS:
        return f"activation must be one of {', '.join(ACTIVATIONS)}"
    return None


def _bytes_problem(op: Operator) -> str | None:
    """Whether weights and feature maps would take more than there is, or None."""
    num_elements = sum(shape.num_elements for shape in op.inputs) + op.output.num_elements
    num_bytes = BYTES_PER_NUMBER * (op.num_weights + num_elements)
    if num_bytes <= MAX_BYTES:
        return None
    return (
        f"its weights and feature maps would take {num_bytes / 2**30:,.0f} GiB, "
        f"more than the {MAX_BYTES / 2**30:.0f} GiB that are allowed: give it fewer channels or pixels"
    )
